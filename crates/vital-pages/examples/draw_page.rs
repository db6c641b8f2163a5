//! What drawing a page costs the confined process: draws it with its first block marked, and prints the time and the peaks.
//!
//! `cargo run --release -p vital-pages --example draw_page -- FILE PAGE [PNG]` writes the picture to PNG as well, if one is given.

use std::{
    error::Error,
    fs::File,
    io::{self, Read as _, Write as _},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};
use vital_documents::{
    PageRequest, ParseLimits,
    child::{self, ProcessLimits},
};

/// Says to this program that it plays the confined process.
const CHILD: &str = "VITAL_DRAW_PAGE_CHILD";
/// The limits of production, `vital_kernel::limits::PARSER_*`.
const LIMITS: ProcessLimits = ProcessLimits { memory_bytes_max: 512 << 20, cpu_seconds_max: 30 };
const WIDTH_PX: u32 = 1_200;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::var_os(CHILD).is_some() {
        return Ok(play_child());
    }
    let mut arguments = std::env::args().skip(1);
    let file = std::fs::read(arguments.next().ok_or("no FILE given")?)?;
    let page: u32 = arguments.next().ok_or("no PAGE given")?.parse()?;
    let blocks = vital_documents::parse("file.pdf", &file, &ParseLimits::default()).map(|parsed| parsed.blocks).unwrap_or_default();
    let first = blocks.iter().find(|block| block.page == Some(page)).map(|block| block.start..block.end);
    let mut out = io::stdout().lock();
    let png = arguments.next();
    for marks in [Vec::new(), first.into_iter().collect()] {
        let request = PageRequest { page, width_px: WIDTH_PX, marks, text_check: None };
        let begun = Instant::now();
        let mut process = Command::new(std::env::current_exe()?)
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = process.stdin.take().ok_or("no pipe")?;
        stdin.write_all(&child::page_request_head(&request, file.len(), &ParseLimits::default()))?;
        stdin.write_all(&file)?;
        drop(stdin);
        let output = process.wait_with_output()?;
        let milliseconds = begun.elapsed().as_millis();
        let picture = child::decode_page(&output.stdout)?;
        let view = &picture.view;
        writeln!(
            out,
            "page {page} of {}: {} by {} pixels, {} KiB, {} marks for {} ranges, {milliseconds} ms",
            view.pages,
            view.width_px,
            view.height_px,
            picture.png.len() >> 10,
            view.marks.len(),
            request.marks.len()
        )?;
        out.write_all(&output.stderr)?;
        if let Some(path) = &png {
            std::fs::write(path, &picture.png)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Draws a page as the program does, and says on standard error what memory it took.
fn play_child() -> ExitCode {
    // Opened before the process may open nothing any more.
    let status = File::open("/proc/self/status");
    let code = child::run_with(LIMITS, vital_pages::draw);
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
