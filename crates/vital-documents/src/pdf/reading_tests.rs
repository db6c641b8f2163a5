//! Columns, footnotes, captions and tables of made-up pages, read as a person reads them.

use crate::{
    BlockKind, ParseLimits, Parsed, boxes,
    fixtures::{Line, pdf, pdf_of},
    parse,
};
use lopdf::{Stream, dictionary};

const LEFT: i64 = 50;
const RIGHT: i64 = 310;

/// Lines that fill a column of 240 points in ten-point type, each beginning with a word of its own.
fn column(name: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{name}{n} and words that fill the whole column so")).collect()
}

fn at(x: i64, top: i64, size: i64, texts: &[String]) -> Vec<Line<'_>> {
    texts.iter().zip(0..).map(|(text, n)| Line { x, y: top - n * (size + 2), size, text }).collect()
}

fn read(page: Vec<Line<'_>>) -> Parsed {
    parse("a.pdf", &pdf(&[page]), &ParseLimits::default()).unwrap()
}

/// The first words of the lines of the columns, in the order in which the text has them.
fn order(parsed: &Parsed, names: &[&str]) -> Vec<String> {
    let is_first = |word: &&str| names.iter().any(|n| word.strip_prefix(n).is_some_and(|rest| rest.parse::<u32>().is_ok()));
    parsed.text.split_whitespace().filter(is_first).map(str::to_owned).collect()
}

fn numbered(names: &[(&str, std::ops::RangeInclusive<usize>)]) -> Vec<String> {
    names.iter().flat_map(|(name, range)| range.clone().map(move |n| format!("{name}{n}"))).collect()
}

fn no_rows(parsed: &Parsed) -> bool {
    parsed.blocks.iter().all(|b| b.kind != BlockKind::TableRow)
}

fn texts(parsed: &Parsed) -> Vec<&str> {
    parsed.blocks.iter().map(|b| &parsed.text[b.start..b.end]).collect()
}

#[test]
fn a_title_over_two_columns_is_read_first_wherever_it_was_drawn() {
    let (left, right) = (column("left", 12), column("right", 12));
    let title = ["Clinical evaluation of a device over both of the columns".to_owned()];
    let mut page = at(LEFT, 700, 10, &left);
    page.extend(at(RIGHT, 700, 10, &right));
    page.extend(at(LEFT, 760, 18, &title));
    let parsed = read(page);
    assert!(parsed.text.starts_with("Clinical evaluation"), "{}", parsed.text);
    assert_eq!(parsed.blocks[0].kind, BlockKind::Heading { level: 1 });
    assert_eq!(order(&parsed, &["left", "right"]), numbered(&[("left", 1..=12), ("right", 1..=12)]));
    assert!(no_rows(&parsed));
}

#[test]
fn columns_drawn_line_by_line_across_the_page_are_read_one_after_the_other() {
    let (left, right) = (column("left", 20), column("right", 20));
    let (l, r) = (at(LEFT, 700, 10, &left), at(RIGHT, 700, 10, &right));
    let page: Vec<Line<'_>> = l.into_iter().zip(r).flat_map(|(l, r)| [l, r]).collect();
    let parsed = read(page);
    assert_eq!(order(&parsed, &["left", "right"]), numbered(&[("left", 1..=20), ("right", 1..=20)]));
    assert!(no_rows(&parsed), "{}", parsed.text);
    assert_eq!(parsed.blocks.len(), 1, "the paragraph goes on in the next column: {:?}", texts(&parsed));
}

#[test]
fn three_columns_are_read_from_the_left_however_they_were_drawn() {
    let text = |name: &str| (1..=15).map(|n| format!("{name}{n} words of a narrow column")).collect::<Vec<_>>();
    let columns = [text("one"), text("two"), text("three")];
    let by_column: Vec<Line<'_>> = columns.iter().zip([40, 220, 400]).flat_map(|(c, x)| at(x, 700, 10, c)).collect();
    let mut by_line: Vec<Line<'_>> = columns.iter().zip([40, 220, 400]).flat_map(|(c, x)| at(x, 700, 10, c)).collect();
    by_line.sort_by_key(|line| (-line.y, line.x));
    let expected = numbered(&[("one", 1..=15), ("two", 1..=15), ("three", 1..=15)]);
    for page in [by_column, by_line] {
        let parsed = read(page);
        assert_eq!(order(&parsed, &["one", "two", "three"]), expected);
        assert!(no_rows(&parsed));
    }
}

#[test]
fn a_heading_or_a_caption_across_the_page_parts_the_columns_above_from_those_below() {
    let (left, right) = (column("left", 16), column("right", 16));
    let caption = ["Figure 2: The course of the pressure in both groups over the twelve weeks of the trial, mean and spread.".to_owned()];
    let mut page = at(LEFT, 700, 10, &left[..8]);
    page.extend(at(LEFT, 500, 10, &left[8..]));
    page.extend(at(RIGHT, 700, 10, &right[..8]));
    page.extend(at(RIGHT, 500, 10, &right[8..]));
    page.extend(at(LEFT, 540, 10, &caption));
    let parsed = read(page);
    let parts = [("left", 1..=8), ("right", 1..=8), ("left", 9..=16), ("right", 9..=16)];
    assert_eq!(order(&parsed, &["left", "right"]), numbered(&parts));
    let (caption, below) = (parsed.text.find("Figure 2").unwrap(), parsed.text.find("left9").unwrap());
    assert!(parsed.text.find("right8").unwrap() < caption && caption < below, "{}", parsed.text);
}

#[test]
fn a_footnote_under_a_column_does_not_part_a_sentence_that_goes_on_in_the_next() {
    let (left, right) = (column("left", 12), column("right", 12));
    let note = ["1 The note stands under the left column.".to_owned()];
    let caption = ["Figure 1: a narrow caption in its column.".to_owned()];
    let mut page = at(LEFT, 700, 10, &left);
    page.extend(at(LEFT, 530, 8, &note));
    page.extend(at(RIGHT, 700, 10, &right));
    page.extend(at(RIGHT, 520, 9, &caption));
    let parsed = read(page);
    let all = texts(&parsed);
    assert!(all[0].contains("left12 and words that fill the whole column so right1 and"), "{all:?}");
    assert_eq!(&all[1..], ["Figure 1: a narrow caption in its column.", "1 The note stands under the left column."]);
}

#[test]
fn a_table_of_short_cells_is_rows_and_no_columns() {
    let rows = [["Adverse event", "Placebo"], ["Headache", "12"], ["Nausea", "3"], ["Dizziness", "1"], ["Fatigue", "0"]];
    let rows = rows.map(|row| row.map(str::to_owned));
    let line = |n: usize, c: usize| Line { x: [72, 300][c], y: 700 - n as i64 * 14, size: 10, text: &rows[n][c] };
    let parsed = read((0..5).flat_map(|n| [line(n, 0), line(n, 1)]).collect());
    assert_eq!(parsed.text, "Adverse event | Placebo\nHeadache | 12\nNausea | 3\nDizziness | 1\nFatigue | 0");
}

/// A page with rules around cells of 150 by 40 points; the texts of a cell are its lines, drawn cell by cell.
fn ruled(rows: &[[&[&str]; 3]], turned: bool) -> Vec<u8> {
    let mut content = if turned { "q 0 1 -1 0 595 0 cm ".to_owned() } else { "q ".to_owned() };
    for (row, cells) in rows.iter().enumerate() {
        for (column, lines) in cells.iter().enumerate() {
            let (x, y) = (60 + column * 150, 500 - row * 40);
            content.push_str(&format!("{x} {y} 150 40 re S BT /F1 10 Tf "));
            for (n, line) in lines.iter().enumerate() {
                content.push_str(&format!("1 0 0 1 {} {} Tm ({line}) Tj ", x + 4, y + 28 - n * 12));
            }
            content.push_str("ET ");
        }
    }
    content.push_str("Q BT /F1 10 Tf 60 100 Td (The text after the table goes on here.) Tj ET");
    let mut document = pdf_of(vec![Stream::new(dictionary! {}, content.into_bytes())]);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

const CELLS: [[&[&str]; 3]; 4] = [
    [&["Requirement"], &["Evidence that is"], &["Result"]],
    [&["The device shall be", "safe in normal use"], &["Report 12 of the", "labora-", "tory"], &["passed"]],
    [&["Labels are"], &[], &["5 of 5 were read by all"]],
    [&[], &["Report 13"], &["open"]],
];

#[test]
fn cells_within_rules_are_rows_with_wrapped_and_empty_cells() {
    for turned in [false, true] {
        let parsed = parse("a.pdf", &ruled(&CELLS, turned), &ParseLimits::default()).unwrap();
        assert!(
            parsed.text.contains(
                "Requirement | Evidence that is | Result\nThe device shall be safe in normal use | Report 12 of the laboratory | passed\nLabels are | | 5 of 5 were read by all\n| Report 13 | open"
            ),
            "{}",
            parsed.text
        );
        assert!(parsed.text.ends_with("\n\nThe text after the table goes on here."));
        assert_eq!(parsed.blocks.iter().filter(|b| b.kind == BlockKind::TableRow).count(), 4);
    }
}

#[test]
fn a_quote_out_of_a_wrapped_cell_is_marked_on_each_of_its_lines() {
    let file = ruled(&CELLS, false);
    let text = parse("a.pdf", &file, &ParseLimits::default()).unwrap().text;
    let start = text.find("be safe").unwrap();
    let range = start..start + "be safe".len();
    let rects = boxes(&file, 1, std::slice::from_ref(&range), &ParseLimits::default()).unwrap();
    let [first, second] = rects.as_slice() else { panic!("{rects:?}") };
    assert!(first.x > 100.0 && (second.x - 64.0).abs() < 0.1 && (second.y - first.y - 12.0).abs() < 0.1, "{rects:?}");
}

#[test]
fn prose_in_two_columns_within_a_frame_is_no_table() {
    let (left, right) = (column("left", 10), column("right", 10));
    let mut content = "40 500 520 220 re S 300 500 m 300 720 l S BT /F1 10 Tf ".to_owned();
    for (x, lines) in [(LEFT, &left), (RIGHT, &right)] {
        for (n, line) in lines.iter().enumerate() {
            content.push_str(&format!("1 0 0 1 {x} {} Tm ({line}) Tj ", 700 - n * 12));
        }
    }
    content.push_str("ET");
    let mut document = pdf_of(vec![Stream::new(dictionary! {}, content.into_bytes())]);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    let parsed = parse("a.pdf", &bytes, &ParseLimits::default()).unwrap();
    assert!(no_rows(&parsed));
    assert_eq!(order(&parsed, &["left", "right"]), numbered(&[("left", 1..=10), ("right", 1..=10)]));
}

#[test]
fn ragged_columns_drawn_together_are_read_one_after_the_other() {
    let ends = ["so", "so it", "and", "to the", "", "of"];
    let text = |name: &str| (1..=18).map(|n| format!("{name}{n} and words that fill a column {}", ends[n % 6])).collect::<Vec<_>>();
    let (left, right) = (text("left"), text("right"));
    let (l, r) = (at(LEFT, 700, 10, &left), at(RIGHT, 700, 10, &right));
    let parsed = read(l.into_iter().zip(r).flat_map(|(l, r)| [l, r]).collect());
    assert_eq!(order(&parsed, &["left", "right"]), numbered(&[("left", 1..=18), ("right", 1..=18)]));
}

/// A page of one line whose letters stand at places of their own, drawn in this order.
fn placed(letters: &[(char, i64)]) -> Vec<u8> {
    let mut codes: Vec<char> = letters.iter().map(|(c, _)| *c).collect();
    codes.sort_unstable();
    codes.dedup();
    let code = |c: char| codes.iter().position(|known| *known == c).unwrap() + 33;
    let map: String = codes.iter().map(|c| format!("<{:02x}> <{:04x}> ", code(*c), *c as u32)).collect();
    let shown: String = letters.iter().map(|(c, x)| format!("1 0 0 1 {x} 700 Tm <{:02x}> Tj ", code(*c))).collect();
    let mut document = pdf_of(vec![Stream::new(dictionary! {}, format!("BT /F1 10 Tf {shown} ET").into_bytes())]);
    let map = document.add_object(Stream::new(dictionary! {}, format!("{} beginbfchar {map} endbfchar", codes.len()).into_bytes()));
    let widths = vec![lopdf::Object::from(600); 224];
    for object in document.objects.values_mut() {
        if let lopdf::Object::Dictionary(dict) = object
            && dict.get(b"BaseFont").is_ok()
        {
            dict.set("ToUnicode", map);
            dict.set("FirstChar", 32);
            dict.set("Widths", widths.clone());
        }
    }
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn right_to_left_text_is_read_in_its_order_whichever_way_it_was_drawn() {
    const LINE: &str = "מינון של 12.5 ליום לפי Acme בלבד";
    let shown = "דבלב Acme יפל םויל 12.5 לש ןונימ";
    let visual: Vec<(char, i64)> = shown.chars().zip((0..).map(|n| 100 + n * 6)).filter(|(c, _)| *c != ' ').collect();
    // The same places in the order of reading: letters from the right, the name and the number from the left.
    let mut logical: Vec<(char, i64)> = Vec::new();
    for word in visual.chunk_by(|a, b| b.1 - a.1 == 6).rev() {
        let backward = word[0].0 > '\u{500}';
        logical.extend(word.iter().copied().rev().filter(|_| backward));
        logical.extend(word.iter().copied().filter(|_| !backward));
    }
    for letters in [visual, logical] {
        let file = placed(&letters);
        let parsed = parse("a.pdf", &file, &ParseLimits::default()).unwrap();
        assert_eq!(parsed.text, LINE);
        let at = LINE.find("12.5").unwrap();
        let rects = boxes(&file, 1, std::slice::from_ref(&(at..at + 4)), &ParseLimits::default()).unwrap();
        assert_eq!(rects.len(), 1);
        assert!((rects[0].x - (100.0 + 6.0 * 19.0)).abs() < 0.1 && (rects[0].width - 24.0).abs() < 0.1, "{rects:?}");
    }
}

#[test]
fn arabic_letters_in_the_form_of_their_place_become_letters() {
    let shown: Vec<(char, i64)> = "\u{fe94}\u{fecb}\u{fead}\u{fe9f}".chars().zip((0..).map(|n| 100 + n * 6)).collect();
    assert_eq!(parse("a.pdf", &placed(&shown), &ParseLimits::default()).unwrap().text, "جرعة");
}

#[test]
fn a_table_drawn_column_by_column_is_read_row_by_row() {
    let first = ["Adverse event", "Headache", "Nausea", "Dizziness"].map(str::to_owned);
    let second = ["Active", "12", "3", "1"].map(str::to_owned);
    let mut page = at(72, 600, 10, &first);
    page.extend(at(250, 600, 10, &second));
    assert_eq!(read(page).text, "Adverse event | Active\nHeadache | 12\nNausea | 3\nDizziness | 1");
}

#[test]
fn two_addresses_side_by_side_stay_whole() {
    let first = ["Sponsor", "Acme Devices Ltd", "High Street 5"].map(str::to_owned);
    let second = ["Investigator", "Dr Jane Roe", "Clinic of the Town"].map(str::to_owned);
    let mut page = at(72, 600, 10, &first);
    page.extend(at(300, 600, 10, &second));
    let parsed = read(page);
    assert!(no_rows(&parsed));
    assert!(parsed.text.find("High Street").unwrap() < parsed.text.find("Investigator").unwrap(), "{}", parsed.text);
}

#[test]
fn the_mark_of_a_cell_ends_before_the_next_cell() {
    let file = ruled(&CELLS, false);
    let text = parse("a.pdf", &file, &ParseLimits::default()).unwrap().text;
    let start = text.find("Requirement").unwrap();
    let range = start..start + "Requirement | ".len();
    let rects = boxes(&file, 1, std::slice::from_ref(&range), &ParseLimits::default()).unwrap();
    assert!(rects.len() == 1 && rects[0].x + rects[0].width < 210.0, "{rects:?}");
}
