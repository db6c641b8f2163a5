//! Both ends of the conversation with the parser process, and its confinement.
//!
//! The child takes one request on standard input and writes one answer to standard output. The request is a head of
//! [`HEAD_BYTES`] bytes (magic `VPD1`, then the lengths of the JSON header and of the file as little-endian `u32` and `u64`),
//! the header, and the file. The answer to a request for text is `Result<Parsed, ParseError>` as JSON; the answer to a request
//! for a page is the length of its JSON as a little-endian `u32`, `Result<PageView, ParseError>` as JSON, and the PNG. The child
//! limits itself before it reads a byte: memory, processor time, no core dump, no file larger than nothing, and no further file
//! descriptor. Not here: starting it, its wall-clock limit and its environment, which are the parent's.

use crate::{Draw, MARKS_MAX, PagePicture, PageRequest, PageView, ParseError, ParseLimits, Parsed, page_marks, parse};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

const MAGIC: &[u8; 4] = b"VPD1";
/// Length of the fixed head of a request.
pub const HEAD_BYTES: usize = 16;
/// Largest JSON header; a file name and the limits need a few hundred bytes.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How every PNG ends (W3C PNG Specification, section 11.2.5).
const PNG_END: &[u8] = b"IEND\xaeB`\x82";
/// Descriptors for standard input, output and error, and none beyond.
const DESCRIPTORS: u64 = 3;

/// What the child may use up. When it uses more the kernel stops it, and its answer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Address space in bytes.
    pub memory_bytes_max: u64,
    /// Processor time in seconds.
    pub cpu_seconds_max: u64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    file_name: String,
    limits: ParseLimits,
    /// The page to draw; without one the text is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<PageRequest>,
}

/// Encodes the start of a request; the parent writes it and then the file's bytes.
#[must_use]
pub fn request_head(file_name: &str, file_bytes: usize, limits: &ParseLimits) -> Vec<u8> {
    head_of(&Header { file_name: file_name.to_owned(), limits: limits.clone(), page: None }, file_bytes)
}

/// Encodes the start of a request for a page of a PDF; the parent writes it and then the file's bytes.
///
/// Of more than [`MARKS_MAX`] marks the first are sent. The limits have to be those with which the document's text was read, or its byte ranges may mean other text.
#[must_use]
pub fn page_request_head(page: &PageRequest, file_bytes: usize, limits: &ParseLimits) -> Vec<u8> {
    let mut page = page.clone();
    page.marks.truncate(MARKS_MAX);
    head_of(&Header { file_name: String::new(), limits: limits.clone(), page: Some(page) }, file_bytes)
}

fn head_of(header: &Header, file_bytes: usize) -> Vec<u8> {
    // A struct of strings and numbers always has a JSON form.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let mut head = Vec::with_capacity(HEAD_BYTES + header.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend_from_slice(&(file_bytes as u64).to_le_bytes());
    head.extend_from_slice(&header);
    head
}

/// Decodes what the child wrote, for the parent.
///
/// # Errors
/// The child's own error; `Exhausted` when the answer is missing or incomplete, because then the kernel or the parent stopped
/// the child.
pub fn decode_answer(stdout: &[u8]) -> Result<Parsed, ParseError> {
    serde_json::from_slice::<Result<Parsed, ParseError>>(stdout).unwrap_or(Err(ParseError::Exhausted))
}

/// Decodes what the child wrote in answer to a request for a page, for the parent.
///
/// # Errors
/// As [`decode_answer`].
pub fn decode_page(stdout: &[u8]) -> Result<PagePicture, ParseError> {
    let (size, rest) = stdout.split_first_chunk::<4>().ok_or(ParseError::Exhausted)?;
    let (view, png) = rest.split_at_checked(u32::from_le_bytes(*size) as usize).ok_or(ParseError::Exhausted)?;
    let view = serde_json::from_slice::<Result<PageView, ParseError>>(view).unwrap_or(Err(ParseError::Exhausted))?;
    // The last chunk of every PNG; without it the answer breaks off.
    if png.ends_with(PNG_END) { Ok(PagePicture { view, png: png.to_vec() }) } else { Err(ParseError::Exhausted) }
}

/// Runs a child that reads text and draws no pages, see [`run_with`].
#[must_use]
pub fn run(limits: ProcessLimits) -> ExitCode {
    run_with(limits, |_, _, _| Err(ParseError::NotDrawn { detail: "this program has no renderer".to_owned() }))
}

/// Runs the child: confines the process, answers one request, and returns its exit code.
///
/// The code is success whenever an answer was written, also when the answer is an error.
#[must_use]
pub fn run_with(limits: ProcessLimits, draw: Draw) -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    if confine(limits).is_err() {
        return ExitCode::FAILURE;
    }
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock(), draw) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn confine(limits: ProcessLimits) -> nix::Result<()> {
    let all = [
        (Resource::RLIMIT_AS, limits.memory_bytes_max),
        (Resource::RLIMIT_CPU, limits.cpu_seconds_max),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
    ];
    all.into_iter().try_for_each(|(resource, limit)| setrlimit(resource, limit, limit))
}

/// Answers one request.
fn serve(input: &mut impl Read, output: &mut impl Write, draw: Draw) -> io::Result<()> {
    let (header, file) = read_request(input)?;
    let Header { file_name, limits, page } = header;
    match page {
        None => {
            let answer = guarded(|| parse(&file_name, &file, &limits));
            drop(file);
            serde_json::to_writer(&mut *output, &answer).map_err(io::Error::from)?;
        }
        Some(request) => {
            let (view, png) = match guarded(|| marked(file, &request, &limits, draw)) {
                Ok(PagePicture { view, png }) => (Ok(view), png),
                Err(error) => (Err(error), Vec::new()),
            };
            let view: Result<PageView, ParseError> = view;
            let view = serde_json::to_vec(&view)?;
            output.write_all(&u32::try_from(view.len()).unwrap_or(u32::MAX).to_le_bytes())?;
            output.write_all(&view)?;
            output.write_all(&png)?;
        }
    }
    output.flush()
}

/// Draws a page; the text is read again only if some of it is to be marked, so a scan without text can be shown, too.
fn marked(file: Vec<u8>, request: &PageRequest, limits: &ParseLimits, draw: Draw) -> Result<PagePicture, ParseError> {
    if file.len() > limits.file_bytes_max {
        return Err(ParseError::TooLarge { bytes: file.len(), limit: limits.file_bytes_max });
    }
    let marks = if request.marks.is_empty() { None } else { Some(page_marks(&file, request.page, &request.marks, limits)?) };
    if let (Some(marks), Some(check)) = (&marks, request.text_check)
        && marks.text_check != check
    {
        let detail = "its words cannot be marked, because the document was read by another version; read it again".to_owned();
        return Err(ParseError::NotDrawn { detail });
    }
    draw(file, request, marks)
}

/// Parser libraries may have bugs that panic; one of those is a damaged file to its sender.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParseError>) -> Result<T, ParseError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(ParseError::Damaged {
            format: None,
            detail: "its content breaks the rules of its format in a way that the reader could not follow".to_owned(),
        })
    })
}

fn read_request(input: &mut impl Read) -> io::Result<(Header, Vec<u8>)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut head = [0; HEAD_BYTES];
    input.read_exact(&mut head)?;
    let [m0, m1, m2, m3, h0, h1, h2, h3, size @ ..] = head;
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(invalid("not a request to the parser"));
    }
    let header_bytes = u32::from_le_bytes([h0, h1, h2, h3]) as usize;
    if header_bytes > HEADER_BYTES_MAX {
        return Err(invalid("the header is too long"));
    }
    let mut header = vec![0; header_bytes];
    input.read_exact(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    let stated = u64::from_le_bytes(size);
    // One byte over the limit is enough for `parse` to refuse the file.
    let mut file = Vec::new();
    input.take(stated.min(header.limits.file_bytes_max as u64 + 1)).read_to_end(&mut file)?;
    if (file.len() as u64) < stated && file.len() <= header.limits.file_bytes_max {
        return Err(invalid("the request breaks off"));
    }
    Ok((header, file))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "a list of one range of text is meant")]

    use super::*;
    use crate::{PageMarks, boxes, fixtures, hostile_pdf, text_check};
    use std::process::{Command, Stdio};

    /// Set for the test binary when it plays the child.
    const CHILD: &str = "VITAL_DOCUMENTS_TEST_CHILD";

    fn request(file_name: &str, file: &[u8]) -> Vec<u8> {
        [request_head(file_name, file.len(), &ParseLimits::default()), file.to_vec()].concat()
    }

    fn no_pages(_: Vec<u8>, _: &PageRequest, _: Option<PageMarks>) -> Result<PagePicture, ParseError> {
        Err(ParseError::NotDrawn { detail: "no renderer".to_owned() })
    }

    /// Answers with the marks it was given and the least that ends like a PNG.
    #[expect(clippy::needless_pass_by_value, reason = "the type that a renderer has")]
    fn echo(file: Vec<u8>, request: &PageRequest, marks: Option<PageMarks>) -> Result<PagePicture, ParseError> {
        let PageMarks { width_pt, height_pt, rects, .. } = marks.ok_or(ParseError::Empty)?;
        let view = PageView { pages: 1, width_pt, height_pt, width_px: request.width_px, height_px: file.len() as u32, marks: rects };
        Ok(PagePicture { view, png: PNG_END.to_vec() })
    }

    #[test]
    fn a_request_for_a_page_is_answered_with_its_picture_and_its_marks() {
        let file = fixtures::pdf(&[fixtures::lines(700, 10, &["Some text on a page."])]);
        let limits = ParseLimits::default();
        let check = text_check(&parse("a.pdf", &file, &limits).unwrap().text);
        let ask_of = |check, page, marks, draw: Draw| {
            let request = PageRequest { page, width_px: 800, marks, text_check: Some(check) };
            let head = page_request_head(&request, file.len(), &limits);
            let mut answer = Vec::new();
            serve(&mut [head, file.clone()].concat().as_slice(), &mut answer, draw).unwrap();
            for end in (0..answer.len()).filter(|_| decode_page(&answer).is_ok()) {
                assert_eq!(decode_page(&answer[..end]), Err(ParseError::Exhausted));
            }
            decode_page(&answer)
        };
        let ask = |page, marks, draw| ask_of(check, page, marks, draw);
        let picture = ask(1, vec![5..9], echo).unwrap();
        assert_eq!(picture.view.marks, boxes(&file, 1, &[5..9], &limits).unwrap());
        assert_eq!((picture.view.width_px, picture.view.height_px as usize), (800, file.len()));
        assert_eq!(ask_of(check ^ 1, 1, vec![5..9], echo).unwrap_err().code(), "document.not_drawn", "text of another version");
        assert_eq!(ask(1, vec![], echo), Err(ParseError::Empty));
        assert_eq!(ask(2, vec![5..9], echo), Err(ParseError::NoSuchPage { page: 2, pages: 1 }));
        assert_eq!(ask(1, vec![], no_pages).unwrap_err().code(), "document.not_drawn");
        assert_eq!(ask(1, vec![], |_, _, _| panic!("a bug")).unwrap_err().code(), "document.damaged");
    }

    #[test]
    fn a_request_is_answered_with_the_document_or_its_error() {
        let file = fixtures::pdf(&[fixtures::lines(700, 10, &["Some text on a page."])]);
        let mut answer = Vec::new();
        serve(&mut request("a.pdf", &file).as_slice(), &mut answer, no_pages).unwrap();
        assert_eq!(decode_answer(&answer), parse("a.pdf", &file, &ParseLimits::default()));
        let mut answer = Vec::new();
        serve(&mut request("a.docx", &file).as_slice(), &mut answer, no_pages).unwrap();
        assert_eq!(decode_answer(&answer).unwrap_err().code(), "document.wrong_extension");
    }

    #[test]
    fn a_missing_or_broken_answer_is_exhaustion() {
        assert_eq!(decode_answer(b""), Err(ParseError::Exhausted));
        assert_eq!(decode_answer(b"{\"Ok\":{\"format\":"), Err(ParseError::Exhausted));
    }

    #[test]
    fn requests_that_are_not_whole_are_refused() {
        let whole = request("a.txt", b"some text");
        for end in 0..whole.len() {
            assert!(serve(&mut &whole[..end], &mut Vec::new(), no_pages).is_err(), "{end}");
        }
        let mut foreign = whole;
        foreign[0] = b'X';
        assert!(serve(&mut foreign.as_slice(), &mut Vec::new(), no_pages).is_err());
    }

    /// Plays the child when the test binary is started as one, and does nothing in an ordinary run.
    #[test]
    fn plays_the_child() {
        let Ok(memory) = std::env::var(CHILD) else { return };
        let code = run(ProcessLimits { memory_bytes_max: memory.parse().unwrap(), cpu_seconds_max: 20 });
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }

    fn through_a_process(memory: u64, request: &[u8]) -> Result<Parsed, ParseError> {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child::tests::plays_the_child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, memory.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A child that the kernel stopped no longer reads.
        let _ = stdin.write_all(request);
        drop(stdin);
        let stdout = child.wait_with_output().unwrap().stdout;
        // The test harness announces its test on the same stream.
        let start = stdout.windows(2).position(|w| w == b"{\"").unwrap_or(stdout.len());
        decode_answer(&stdout[start..])
    }

    #[test]
    fn the_confined_child_reads_every_format() {
        const MEMORY: u64 = 512 << 20;
        let pdf = fixtures::pdf(&[fixtures::lines(700, 10, &["Some text on a page."])]);
        let slides = fixtures::pptx(&[fixtures::Slide { file: 1, body: fixtures::text_box("x"), notes: None }]);
        let book = fixtures::Workbook { sheets: vec![("S", "", fixtures::rows(&[&["x"]]))], ..fixtures::Workbook::default() };
        let files: [(&str, &[u8]); 10] = [
            ("a.pdf", &pdf),
            ("a.docx", &fixtures::docx("<w:p><w:r><w:t>x</w:t></w:r></w:p>")),
            ("a.html", b"<p>x"),
            ("a.md", b"# x"),
            ("a.pptx", &slides),
            ("a.xlsx", &book.build()),
            ("a.csv", b"a,b\n1,2"),
            ("a.xml", b"<article><front/><body><p>x</p></body></article>"),
            (
                "b.xml",
                b"<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID></MedlineCitation></PubmedArticle></PubmedArticleSet>",
            ),
            ("a.epub", &fixtures::epub(&[("c", "<p>x</p>")])),
        ];
        for (name, file) in files {
            let answer = through_a_process(MEMORY, &request(name, file));
            assert!(answer.is_ok(), "{name}: {answer:?}");
            assert_eq!(answer, parse(name, file, &ParseLimits::default()), "{name}");
        }
    }

    #[test]
    fn hostile_pdfs_end_within_the_limits_of_the_process() {
        const MEMORY: u64 = 512 << 20;
        let crowded = through_a_process(MEMORY, &request("a.pdf", &hostile_pdf::crowded())).unwrap();
        assert_eq!(crowded.text, "Some words of the page");
        let limits = ParseLimits { unpacked_bytes_max: 16 << 20, ..ParseLimits::default() };
        let file = hostile_pdf::bomb();
        let bomb = through_a_process(MEMORY, &[request_head("a.pdf", file.len(), &limits), file].concat());
        assert!(matches!(bomb, Err(ParseError::Bomb { .. })), "{bomb:?}");
    }

    #[test]
    fn a_child_out_of_memory_leaves_no_answer_and_harms_nobody() {
        let file = "word ".repeat(8 << 20);
        assert_eq!(through_a_process(96 << 20, &request("a.txt", file.as_bytes())), Err(ParseError::Exhausted));
    }
}
