use crate::{
    BlockKind, ParseError, ParseLimits, Parsed,
    fixtures::{Workbook, rows, zip_of},
    parse,
};

fn read(book: &Workbook<'_>) -> Parsed {
    parse("a.xlsx", &book.build(), &ParseLimits::default()).unwrap()
}

fn sheet(data: &str) -> Workbook<'static> {
    Workbook { sheets: vec![("Data", "", data.to_owned())], ..Workbook::default() }
}

#[test]
fn sheets_are_headings_and_pages_and_rows_are_rows() {
    let book = Workbook {
        sheets: vec![("Arms", "", rows(&[&["Arm", "N"], &["A", "12"]])), ("Notes", "hidden", rows(&[&["Only one cell"]]))],
        ..Workbook::default()
    };
    let parsed = read(&book);
    assert_eq!(parsed.text, "Arms\n\nArm | N\nA | 12\n\nNotes\n\nOnly one cell");
    use BlockKind::{Heading, Paragraph, TableRow};
    let found: Vec<_> = parsed.blocks.iter().map(|b| (b.kind, b.page.unwrap())).collect();
    assert_eq!(found, [(Heading { level: 2 }, 1), (TableRow, 1), (TableRow, 1), (Heading { level: 2 }, 2), (Paragraph, 2)]);
    assert_eq!((parsed.pages, parsed.title), (Some(2), None));
    assert_eq!(parsed.warnings, ["The sheet “Notes” is hidden in the workbook; its cells were read as well."]);
}

#[test]
fn values_of_every_kind_are_written_as_they_are_shown() {
    let data = "<row r='1'><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c></row>\
        <row r='2'><c r='A2' s='1'><v>45356</v></c><c r='B2' s='2'><v>45356.5</v></c><c r='C2' s='4'><v>0.25</v></c>\
        <c r='D2' t='b'><v>1</v></c><c r='E2' t='e'><v>#N/A</v></c><c r='F2'><f>SUM(A1:A2)</f><v>7.1000000000000005</v></c>\
        <c r='G2' t='str'><f>A1</f><v>text</v></c><c r='H2'><f>NOW()</f></c></row>";
    let strings = "<si><t>Visit</t></si><si><r><rPr><b/></rPr><t xml:space='preserve'>Day </t></r><r><t>1</t></r><rPh><t>x</t></rPh></si>";
    let book = Workbook { strings: Some(strings), formats: vec!["yyyy-mm-dd", "d.m.yy h:mm"], ..sheet(data) };
    let parsed = read(&book);
    assert_eq!(parsed.text, "Data\n\nVisit | Day 1\n2024-03-05 | 2024-03-05 12:00 | 25% | TRUE | #N/A | 7.1 | text");
    assert_eq!(parsed.warnings, ["Some formulas of the workbook hold no computed value; their cells are empty here."]);
    let early = Workbook { from_1904: true, ..book };
    assert!(read(&early).text.contains("2028-03-06 | 2028-03-06 12:00"));
}

#[test]
fn cells_keep_their_columns_and_empty_rows_divide_tables() {
    let cell = |r: &str, v: &str| format!("<c r='{r}'><v>{v}</v></c>");
    let data = format!(
        "<row r='2'>{}</row><row r='3'>{}{}{}</row><row r='4'>{}{}</row><row r='9'>{}{}</row><row r='10'>{}{}</row>",
        cell("B2", "1"),
        cell("B3", "2"),
        cell("C3", "3"),
        cell("D3", "4"),
        cell("B4", "5"),
        cell("D4", "6"),
        cell("B9", "7"),
        cell("XFD9", "8"),
        cell("A10", "9"),
        cell("B10", "10"),
    );
    let parsed = read(&sheet(&data));
    assert_eq!(parsed.text, "Data\n\n1\n\n2 | 3 | 4\n5 | | 6\n\n7 | | 8\n9 | 10");
    assert_eq!(parsed.blocks[1].kind, BlockKind::Paragraph, "a lone cell over a table is its title");
}

#[test]
fn what_a_sheet_declares_about_itself_costs_nothing() {
    let data = "<row r='1048576' spans='1:16384'><c r='XFD1048576'><v>1</v></c></row><row r='99999999999999999999'><c r='ZZZZZZZ1'><v>2</v></c></row>";
    assert_eq!(read(&sheet(data)).text, "Data\n\n1\n2");
}

#[test]
fn one_long_string_in_every_cell_is_too_much_text() {
    let strings = format!("<si><t>{}</t></si>", "long ".repeat(100_000));
    let row = "<c t='s'><v>0</v></c>".repeat(16_000);
    let book = Workbook { strings: Some(&strings), ..sheet(&format!("<row>{row}</row>")) };
    let limits = ParseLimits { text_bytes_max: 4 << 20, ..ParseLimits::default() };
    assert_eq!(parse("a.xlsx", &book.build(), &limits), Err(ParseError::TooMuchText { limit: 4 << 20 }));
}

#[test]
fn a_sheet_of_a_million_short_rows_meets_the_limit_of_blocks() {
    let data: String = (0..50_000).map(|n| format!("<row><c><v>{n}</v></c></row>")).collect();
    let limits = ParseLimits { blocks_max: 20_000, ..ParseLimits::default() };
    assert_eq!(parse("a.xlsx", &sheet(&data).build(), &limits), Err(ParseError::TooManyBlocks { limit: 20_000 }));
}

#[test]
fn missing_parts_are_damage() {
    let limits = ParseLimits::default();
    let shared = sheet("<row><c t='s'><v>0</v></c></row>").build();
    assert!(parse("a.xlsx", &shared, &limits).unwrap_err().to_string().contains("shared string"));
    let main = b"<workbook xmlns:r='r'><sheets><sheet name='S' r:id='rId1'/></sheets></workbook>";
    let file = zip_of(&[("xl/workbook.xml", main)]);
    assert!(parse("a.xlsx", &file, &limits).unwrap_err().to_string().contains("sheet “S” is missing"));
    let rels = b"<Relationships><Relationship Id='rId1' Type='x/worksheet' Target='worksheets/sheet1.xml'/></Relationships>";
    let file = zip_of(&[("xl/workbook.xml", main), ("xl/_rels/workbook.xml.rels", rels)]);
    assert!(parse("a.xlsx", &file, &limits).unwrap_err().to_string().contains("sheet1.xml is missing"));
}

#[test]
fn hostile_sheets_end_with_their_own_error() {
    let limits = ParseLimits::default();
    let spaces = sheet(&" ".repeat(32 << 20)).build();
    assert!(matches!(parse("a.xlsx", &spaces, &limits), Err(ParseError::Bomb { .. })));
    let deep = sheet(&"<row>".repeat(1_000)).build();
    assert_eq!(parse("a.xlsx", &deep, &limits), Err(ParseError::TooDeep { limit: 512 }));
    let laughs = "<!DOCTYPE s [<!ENTITY a 'haha'><!ENTITY b '&a;&a;&a;&a;'>]><sst><si><t>&b;</t></si></sst>";
    let main = b"<workbook xmlns:r='r'><sheets/></workbook>";
    let file = zip_of(&[("xl/workbook.xml", main), ("xl/sharedStrings.xml", laughs.as_bytes())]);
    assert!(parse("a.xlsx", &file, &limits).unwrap_err().to_string().contains("entities of its own"));
}

#[test]
fn right_to_left_cells_keep_their_logical_order() {
    assert_eq!(read(&sheet(&rows(&[&["שם", "مقدار"], &["אבג", "١٢"]]))).text, "Data\n\nשם | مقدار\nאבג | ١٢");
}
