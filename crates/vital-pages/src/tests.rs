//! Pages drawn from files built in code, and the confined process that draws them.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range of text is meant")]

use super::*;
use hayro::vello_cpu::Pixmap;
use lopdf::{Dictionary, Document, Object, Stream, dictionary};
use std::{
    io::{Cursor, Write},
    process::{Command, ExitCode, Stdio},
};
use vital_documents::{
    ParseLimits, boxes,
    child::{self, ProcessLimits},
    parse,
};

/// Set for the test binary when it plays the confined process.
const CHILD: &str = "VITAL_PAGES_TEST_CHILD";
const MEMORY: u64 = 512 << 20;
/// Less than in production, so that a page without end ends soon.
const CPU_SECONDS: u64 = 4;

/// A PDF of one page with this content and these further entries of the page.
fn file(content: &[u8], entries: Dictionary, forms: Vec<Stream>) -> Vec<u8> {
    let mut document = Document::with_version("1.7");
    let tree = document.new_object_id();
    let font = document
        .add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding" });
    let mut named = Dictionary::new();
    let resources = document.new_object_id();
    for (n, mut form) in forms.into_iter().enumerate() {
        form.dict.set("Resources", resources);
        named.set(format!("X{n}"), document.add_object(form));
    }
    document.objects.insert(resources, dictionary! { "Font" => dictionary! { "F1" => font }, "XObject" => named }.into());
    let content = document.add_object(Stream::new(dictionary! {}, content.to_vec()));
    let mut page = dictionary! { "Type" => "Page", "Parent" => tree, "Contents" => content, "Resources" => resources };
    page.set("MediaBox", vec![0.into(), 0.into(), 400.into(), 200.into()]);
    for (key, value) in entries {
        page.set(key, value);
    }
    let page = document.add_object(page);
    document.objects.insert(tree, dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 }.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

const TEXT: &[u8] = b"BT /F1 20 Tf 40 100 Td (plain marked plain) Tj ET";

fn request(marks: Vec<std::ops::Range<usize>>) -> PageRequest {
    PageRequest { page: 1, width_px: 800, marks, text_check: None }
}

fn pixels(picture: &PagePicture) -> Pixmap {
    let pixmap = Pixmap::from_png(Cursor::new(&picture.png)).unwrap();
    assert_eq!((u32::from(pixmap.width()), u32::from(pixmap.height())), (picture.view.width_px, picture.view.height_px));
    pixmap
}

/// How many pixels inside of a rectangle in points are dark, and how many have the colour of a mark.
fn dark_and_marked(picture: &PagePicture, rect: &Rect) -> (usize, usize) {
    let pixmap = pixels(picture);
    let scale = picture.view.width_px as f32 / picture.view.width_pt;
    let (mut dark, mut marked) = (0, 0);
    for y in (rect.y * scale) as usize..((rect.y + rect.height) * scale) as usize {
        for x in (rect.x * scale) as usize..((rect.x + rect.width) * scale) as usize {
            let pixel = pixmap.data()[y * usize::from(pixmap.width()) + x];
            dark += usize::from(pixel.r < 100 && pixel.g < 100 && pixel.b < 100);
            marked += usize::from([pixel.r, pixel.g, pixel.b] == MARK_RGB);
        }
    }
    (dark, marked)
}

fn marks_of(file: &[u8], range: std::ops::Range<usize>) -> PageMarks {
    vital_documents::page_marks(file, 1, &[range], &ParseLimits::default()).unwrap()
}

const WHOLE: Rect = Rect { x: 0.0, y: 0.0, width: 400.0, height: 200.0 };

#[test]
fn a_page_is_drawn_in_a_font_that_the_file_does_not_carry_and_its_word_is_marked() {
    let file = file(TEXT, dictionary! {}, vec![]);
    assert_eq!(parse("a.pdf", &file, &ParseLimits::default()).unwrap().text, "plain marked plain");
    let plain = draw(file.clone(), &request(vec![]), None).unwrap();
    assert_eq!((plain.view.width_px, plain.view.height_px, plain.view.pages), (800, 400, 1));
    let (dark, marked) = dark_and_marked(&plain, &WHOLE);
    assert!(dark > 1_000 && marked == 0, "{dark} {marked}");
    let picture = draw(file.clone(), &request(vec![6..12]), Some(marks_of(&file, 6..12))).unwrap();
    let [rect] = picture.view.marks.as_slice() else { panic!("{:?}", picture.view.marks) };
    let (dark_inside, marked_inside) = dark_and_marked(&picture, rect);
    assert!(dark_inside > 300 && dark_inside * 2 < dark, "{dark_inside} of {dark}");
    assert!(marked_inside as f32 > 0.5 * rect.width * rect.height * 4.0, "{marked_inside}");
    assert!(dark_and_marked(&picture, &WHOLE).1 < marked_inside + 600, "the mark stays in its box");
}

#[test]
fn marks_lie_on_their_words_however_the_page_is_turned_and_cropped() {
    for rotate in [0, 90, 180, 270, -90, 450] {
        for crop in [None, Some([20, 60, 350, 190])] {
            let mut entries = dictionary! { "Rotate" => rotate };
            if let Some(crop) = crop {
                entries.set("CropBox", crop.map(Object::from).to_vec());
            }
            let file = file(TEXT, entries, vec![]);
            let marks = marks_of(&file, 6..12);
            let picture = draw(file, &request(vec![6..12]), Some(marks.clone())).unwrap();
            assert_eq!((picture.view.width_pt, picture.view.height_pt), (marks.width_pt, marks.height_pt), "{rotate} {crop:?}");
            // Without letters under it a mark would be a plain box.
            let (dark, marked) = dark_and_marked(&picture, &marks.rects[0]);
            let area = marks.rects[0].width * marks.rects[0].height * (picture.view.width_px as f32 / picture.view.width_pt).powi(2);
            assert!(dark as f32 > 0.06 * area && marked as f32 > 0.5 * area, "{rotate} {crop:?}: {dark} {marked} of {area}");
        }
    }
}

#[test]
fn overlapping_marks_colour_a_pixel_once() {
    let rects = [Rect { x: 0.0, y: 0.0, width: 10.0, height: 2.0 }, Rect { x: 5.0, y: 1.0, width: 10.0, height: 2.0 }];
    let mut seen: Vec<usize> = pixels_of(&rects, (1.0, 1.0), (20, 20)).into_iter().flatten().collect();
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all, seen.len()), (35, 35));
    let outside = Rect { x: -50.0, y: f32::NAN, width: f32::INFINITY, height: 9e9 };
    assert!(pixels_of(&[outside], (1.0, 1.0), (20, 20)).into_iter().flatten().all(|pixel| pixel < 400));
}

#[test]
fn a_page_of_a_million_points_is_scaled_down_and_one_of_none_is_a4() {
    for (box_, size) in [([0, 0, 1_000_000, 1_000_000], (800, 800)), ([0, 0, 1, 1_000_000], (1, 16_000)), ([5, 5, 5, 5], (800, 1131))] {
        let file = file(TEXT, dictionary! { "MediaBox" => box_.map(Object::from).to_vec() }, vec![]);
        let view = draw(file, &request(vec![]), None).unwrap().view;
        assert_eq!((view.width_px, view.height_px), size, "{box_:?}");
    }
}

#[test]
fn pages_that_are_not_there_and_files_that_are_none_say_so() {
    let file = file(TEXT, dictionary! {}, vec![]);
    for page in [0, 2, u32::MAX] {
        let request = PageRequest { page, ..request(vec![]) };
        assert_eq!(draw(file.clone(), &request, None), Err(ParseError::NoSuchPage { page, pages: 1 }));
    }
    assert_eq!(draw(b"no PDF at all".to_vec(), &request(vec![]), None).unwrap_err().code(), "document.damaged");
    let marks = marks_of(&file, 0..5);
    let foreign = PageMarks { object: 9_999, ..marks.clone() };
    assert_eq!(draw(file.clone(), &request(vec![]), Some(foreign)).unwrap_err().code(), "document.not_drawn");
    let other = PageMarks { width_pt: 10.0, ..marks };
    assert_eq!(draw(file, &request(vec![]), Some(other)).unwrap_err().code(), "document.not_drawn");
}

/// Plays the confined process when the test binary is started as one, and does nothing in an ordinary run.
#[test]
fn plays_the_child() {
    if std::env::var_os(CHILD).is_some() {
        let code = child::run_with(ProcessLimits { memory_bytes_max: MEMORY, cpu_seconds_max: CPU_SECONDS }, draw);
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

fn through_a_process(file: &[u8], request: &PageRequest) -> Result<PagePicture, ParseError> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["tests::plays_the_child", "--exact", "--nocapture", "--test-threads=1"])
        .env_clear()
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let head = child::page_request_head(request, file.len(), &ParseLimits::default());
    // A child that the kernel stopped no longer reads.
    let _ = stdin.write_all(&[&head, file].concat());
    drop(stdin);
    let stdout = child.wait_with_output().unwrap().stdout;
    // The test harness announces its test on the same stream.
    let start = stdout.windows(2).position(|w| w == b"{\"").map_or(stdout.len(), |json| json - 4);
    child::decode_page(&stdout[start..])
}

#[test]
fn the_confined_process_draws_the_same_page_with_the_same_marks() {
    let file = file(TEXT, dictionary! {}, vec![]);
    let picture = through_a_process(&file, &request(vec![6..12])).unwrap();
    assert_eq!(picture, draw(file.clone(), &request(vec![6..12]), Some(marks_of(&file, 6..12))).unwrap());
    assert_eq!(picture.view.marks, boxes(&file, 1, &[6..12], &ParseLimits::default()).unwrap());
    assert_eq!(through_a_process(&file[..file.len() / 2], &request(vec![6..12])).unwrap_err().code(), "document.damaged");
}

#[test]
fn a_picture_of_ten_thousand_million_pixels_ends_with_its_process() {
    let image = Stream::new(
        dictionary! { "Type" => "XObject", "Subtype" => "Image", "Width" => 100_000, "Height" => 100_000, "ColorSpace" => "DeviceRGB", "BitsPerComponent" => 8 },
        vec![0x55; 64],
    );
    let file = file(&[b"q 400 0 0 200 0 0 cm /X0 Do Q ", TEXT].concat(), dictionary! {}, vec![image]);
    match through_a_process(&file, &request(vec![])) {
        Ok(picture) => assert!(dark_and_marked(&picture, &WHOLE).0 > 1_000, "the rest of the page is drawn"),
        Err(error) => assert!(["document.exhausted", "document.damaged"].contains(&error.code()), "{error}"),
    }
}

#[test]
fn a_form_that_draws_itself_ends() {
    let form = Stream::new(
        dictionary! { "Type" => "XObject", "Subtype" => "Form", "BBox" => vec![0.into(), 0.into(), 400.into(), 200.into()] },
        b"/X0 Do /X0 Do".to_vec(),
    );
    let file = file(&[TEXT, b" /X0 Do"].concat(), dictionary! {}, vec![form]);
    match through_a_process(&file, &request(vec![6..12])) {
        Ok(picture) => assert_eq!(picture.view.marks.len(), 1),
        Err(error) => assert_eq!(error, ParseError::Exhausted),
    }
}

#[test]
fn a_page_that_is_only_a_picture_is_drawn_and_has_nothing_to_mark() {
    let image = Stream::new(
        dictionary! { "Type" => "XObject", "Subtype" => "Image", "Width" => 2, "Height" => 1, "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8 },
        vec![0x00, 0xff],
    );
    let scan = file(b"q 400 0 0 200 0 0 cm /X0 Do Q", dictionary! {}, vec![image]);
    let picture = through_a_process(&scan, &request(vec![])).unwrap();
    let (left, right) = (Rect { width: 150.0, ..WHOLE }, Rect { x: 250.0, width: 150.0, ..WHOLE });
    assert!(dark_and_marked(&picture, &left).0 > 100_000 && dark_and_marked(&picture, &right).0 == 0);
    assert_eq!(through_a_process(&scan, &request(vec![0..4])), Err(ParseError::NoText { pages: Some(1) }));
}
