//! What a long PDF costs the confined process: makes one, has it read as in production, and prints pages per second and the peaks.
//!
//! `cargo run --release -p vital-documents --example large_pdf -- [PAGES] [FILE]` writes the PDF to FILE as well, if one is given.

use lopdf::{Document, Object, Stream, dictionary};
use std::{
    error::Error,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _, Write as _},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};
use vital_documents::{
    ParseLimits,
    child::{self, ProcessLimits},
};

/// Says to this program that it plays the confined process.
const CHILD: &str = "VITAL_LARGE_PDF_CHILD";
/// The limits of production, `vital_kernel::limits::PARSER_*`.
const LIMITS: ProcessLimits = ProcessLimits { memory_bytes_max: 512 << 20, cpu_seconds_max: 30 };
const WORDS: [&str; 24] = [
    "the",
    "device",
    "shall",
    "be",
    "safe",
    "under",
    "normal",
    "conditions",
    "of",
    "use",
    "and",
    "each",
    "subject",
    "gives",
    "informed",
    "consent",
    "before",
    "any",
    "procedure",
    "that",
    "serves",
    "investigation",
    "alone",
    "risk-based",
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::var_os(CHILD).is_some() {
        return Ok(play_child());
    }
    let mut arguments = std::env::args().skip(1);
    let pages = arguments.next().map_or(Ok(2_000), |pages| pages.parse())?;
    let file = long_pdf(pages)?;
    if let Some(path) = arguments.next() {
        std::fs::write(path, &file)?;
    }
    let begun = Instant::now();
    let mut process = Command::new(std::env::current_exe()?)
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = process.stdin.take().ok_or("no pipe")?;
    stdin.write_all(&child::request_head("long.pdf", file.len(), &ParseLimits::default()))?;
    stdin.write_all(&file)?;
    drop(stdin);
    let output = process.wait_with_output()?;
    let seconds = begun.elapsed().as_secs_f64();
    let parsed = child::decode_answer(&output.stdout)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} pages, {:.1} MiB of PDF, {:.1} MiB of text in {} blocks",
        parsed.pages.unwrap_or(0),
        mebibytes(file.len()),
        mebibytes(parsed.text.len()),
        parsed.blocks.len()
    )?;
    writeln!(out, "{seconds:.2} s, {:.0} pages/s", f64::from(pages) / seconds)?;
    out.write_all(&output.stderr)?;
    Ok(ExitCode::SUCCESS)
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Reads a document as the program does, and says on standard error what memory it took.
fn play_child() -> ExitCode {
    // Opened before the process may open nothing any more.
    let status = File::open("/proc/self/status");
    let code = child::run(LIMITS);
    let mut text = String::new();
    if let Ok(mut status) = status
        && status.read_to_string(&mut text).is_ok()
    {
        for line in text.lines().filter(|line| line.starts_with("VmPeak") || line.starts_with("VmHWM")) {
            _ = writeln!(io::stderr(), "{line}");
        }
    }
    code
}

/// A report of that many pages: running heads, numbered headings, wrapped paragraphs of twelve lines, and a table on every tenth page.
fn long_pdf(pages: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut document = Document::with_version("1.7");
    let tree = document.new_object_id();
    let mut font = |name: &str| {
        document.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => name, "Encoding" => "WinAnsiEncoding" })
    };
    let (plain, bold) = (font("Helvetica"), font("Helvetica-Bold"));
    let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => plain, "F2" => bold } });
    let mut kids: Vec<Object> = Vec::new();
    for number in 1..=pages {
        let mut content = Stream::new(dictionary! {}, page(number)?.into_bytes());
        content.compress()?;
        let content = document.add_object(content);
        kids.push(document.add_object(dictionary! { "Type" => "Page", "Parent" => tree, "Contents" => content }).into());
    }
    let box_ = vec![0.into(), 0.into(), 595.into(), 842.into()];
    let root = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => pages, "Resources" => resources, "MediaBox" => box_ };
    document.objects.insert(tree, root.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes)?;
    Ok(bytes)
}

fn page(number: u32) -> Result<String, std::fmt::Error> {
    let mut content = format!("BT /F1 8 Tf 1 0 0 1 60 810 Tm (Clinical study report CSR-17) Tj 1 0 0 1 500 30 Tm (Page {number}) Tj ET\n");
    // A small generator of words, the same each time: the figures are to be comparable.
    let mut seed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut word = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS.get((seed >> 33) as usize % WORDS.len()).copied().unwrap_or("word")
    };
    let title = [word(), word(), word(), word()].join(" ");
    writeln!(content, "BT /F2 13 Tf 1 0 0 1 60 770 Tm ({} On {title}) Tj /F1 10 Tf", number.div_ceil(7))?;
    for line in 0..52 {
        let y = 745 - line * 13;
        if number.is_multiple_of(10) && line > 40 {
            writeln!(
                content,
                "1 0 0 1 60 {y} Tm (Group {line}) Tj 1 0 0 1 250 {y} Tm ({}.{line}) Tj 1 0 0 1 400 {y} Tm (n = {line}) Tj",
                line * 7 % 100
            )?;
            continue;
        }
        write!(content, "1 0 0 1 60 {y} Tm (")?;
        // A paragraph of twelve lines ends with a short one.
        let (width, end) = if line % 12 == 11 { (40, ".") } else { (88, "") };
        let mut length = 0;
        while length < width {
            let word = word();
            write!(content, "{word} ")?;
            length += word.len() + 1;
        }
        content.push_str(end);
        writeln!(content, ") Tj")?;
    }
    content.push_str("ET");
    Ok(content)
}
