use super::*;

fn read(body: &str) -> Parsed {
    crate::parse("a.xml", article(body).as_bytes(), &ParseLimits::default()).unwrap()
}

fn article(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE article PUBLIC \"-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD v1.2 20190208//EN\" \
         \"JATS-archivearticle1.dtd\">\n<article article-type=\"research-article\">{inner}</article>"
    )
}

const FRONT: &str = "<front><journal-meta><journal-title>J</journal-title></journal-meta><article-meta>
    <article-id pub-id-type=\"doi\">10.1/x</article-id><title-group><article-title>Effect of <italic>X</italic> on Y</article-title></title-group>
    <contrib-group><contrib><name><surname>Doe</surname></name></contrib></contrib-group><permissions><p>CC BY</p></permissions>
    <abstract><p>Short words.</p></abstract>
    <kwd-group><title>Keywords</title><kwd>pain</kwd> <kwd>trial</kwd></kwd-group></article-meta></front>";

fn kinds(parsed: &Parsed) -> Vec<(BlockKind, &str)> {
    parsed.blocks.iter().map(|b| (b.kind, &parsed.text[b.start..b.end])).collect()
}

#[test]
fn the_front_gives_title_abstract_and_keywords_and_nothing_else() {
    use BlockKind::{Heading, Paragraph};
    let parsed = read(FRONT);
    assert_eq!(
        kinds(&parsed),
        [
            (Heading { level: 1 }, "Effect of X on Y"),
            (Heading { level: 2 }, "Abstract"),
            (Paragraph, "Short words."),
            (Paragraph, "Keywords: pain; trial"),
        ]
    );
    assert_eq!(parsed.title.as_deref(), Some("Effect of X on Y"));
    assert!(parsed.warnings.is_empty());
}

#[test]
fn sections_nest_and_keep_their_labels() {
    use BlockKind::{Heading, ListItem, Paragraph};
    let parsed = read(
        "<body><sec><label>1</label><title>Methods</title><p>We took 10<sup>6</sup> cells<xref ref-type='bibr' rid='r1'>[1]</xref>.</p>
         <sec><title>Dose</title><p>As follows:<list><list-item><p>first</p></list-item><list-item><label>b.</label><p>second</p></list-item></list>and so on.</p></sec></sec>
         <sec><title>Results</title><p>None.</p></sec></body>",
    );
    assert_eq!(
        kinds(&parsed),
        [
            (Heading { level: 2 }, "1 Methods"),
            (Paragraph, "We took 10⁶ cells[1]."),
            (Heading { level: 3 }, "Dose"),
            (Paragraph, "As follows:"),
            (ListItem, "first"),
            (ListItem, "b. second"),
            (Paragraph, "and so on."),
            (Heading { level: 2 }, "Results"),
            (Paragraph, "None."),
        ]
    );
}

#[test]
fn tables_have_their_caption_rows_and_notes() {
    let parsed = read(
        "<body><p>See it.</p><table-wrap id='t1'><label>Table 1</label><caption><title>Arms.</title><p>All of them.</p></caption>
         <table><thead><tr><th>Arm</th><th>N</th></tr></thead><tbody><tr><td colspan='2'><p>A</p></td><td>12<sup>a</sup></td></tr></tbody></table>
         <table-wrap-foot><fn><label>a</label><p>Two left.</p></fn></table-wrap-foot></table-wrap>
         <fig><label>Figure 1</label><caption><p>A picture.</p></caption><graphic/></fig></body>",
    );
    assert_eq!(parsed.text, "See it.\n\nTable 1 Arms. All of them.\n\nArm | N\nA | | 12a\n\na Two left.\n\nFigure 1 A picture.");
}

#[test]
fn references_are_list_items() {
    let parsed = read(
        "<back><ref-list><ref id='r1'><label>1</label><mixed-citation>Doe J. Pain. <source>Lancet</source> 2020.</mixed-citation></ref>
         <ref id='r2'><label>2</label><element-citation><person-group><name><surname>Roe</surname><given-names>R</given-names></name></person-group>
         <article-title>Care</article-title><source>BMJ</source><year>2021</year><volume>3</volume><fpage>4</fpage><lpage>9</lpage></element-citation></ref></ref-list></back>",
    );
    assert_eq!(parsed.text, "References\n\n1 Doe J. Pain. Lancet 2020.\n2 Roe R, Care, BMJ, 2021, 3, 4–9");
    assert!(parsed.blocks[1..].iter().all(|b| b.kind == BlockKind::ListItem));
}

#[test]
fn references_without_punctuation_get_it_and_others_keep_theirs() {
    let parsed = read(
        "<back><ref-list><ref><mixed-citation><name><surname>Roca</surname><given-names>O</given-names></name><name><surname>Li</surname><given-names>B</given-names></name><etal/>\
         <article-title>A <italic>cohort</italic><sup>2</sup></article-title><source>Med Intensiva</source><year>2006</year><volume>30</volume><fpage>6</fpage><lpage>12</lpage></mixed-citation></ref>\
         <ref><mixed-citation><string-name><surname>Doe</surname> <given-names>J</given-names></string-name>. <article-title>Pain</article-title>. <source>BMJ</source> <year>2020</year>;<volume>3</volume>:<fpage>4</fpage>-<lpage>9</lpage>.</mixed-citation></ref>
         <ref><element-citation>
            <name><surname>Roe</surname>
            <given-names>R</given-names></name>
            <etal>et al</etal>
            <year>2021</year>
         </element-citation></ref></ref-list></back>",
    );
    assert_eq!(
        parsed.text,
        "References\n\nRoca O, Li B, et al., A cohort², Med Intensiva, 2006, 30, 6–12\nDoe J. Pain. BMJ 2020;3:4-9.\nRoe R, et al, 2021"
    );
}

#[test]
fn formulas_definitions_and_quotes_are_read() {
    let parsed = read(
        "<body><sec><title>A</title><disp-formula><label>(1)</label><mml:math xmlns:mml='m'><mml:mi>x</mml:mi><mml:mo>=</mml:mo><mml:mn>1</mml:mn></mml:math><tex-math>\\x</tex-math></disp-formula>
         <def-list><def-item><term>AE</term><def><p>adverse event</p></def></def-item></def-list>
         <disp-quote><p>Quoted.</p></disp-quote></sec></body>",
    );
    assert_eq!(parsed.text, "A\n\n(1) x=1\n\nAE: adverse event\n\nQuoted.");
}

#[test]
fn several_articles_are_headings_of_one_document() {
    let one = |title: &str| {
        format!(
            "<article><front><article-meta><title-group><article-title>{title}</article-title></title-group></article-meta></front></article>"
        )
    };
    let set = format!("<pmc-articleset>{}{}</pmc-articleset>", one("First"), one("Second"));
    let parsed = crate::parse("a.nxml", set.as_bytes(), &ParseLimits::default()).unwrap();
    assert_eq!(parsed.title.as_deref(), Some("First, and 1 more"));
    assert_eq!(parsed.text, "First\n\nSecond");
}

#[test]
fn hostile_articles_end_with_their_own_error() {
    let error = |source: &str| crate::parse("a.xml", source.as_bytes(), &ParseLimits::default()).unwrap_err();
    let subset =
        |s: &str| format!("<!DOCTYPE article PUBLIC '-//NLM//DTD JATS' 'x.dtd' [{s}]><article><front/><body><p>&x;</p></body></article>");
    assert!(error(&subset("<!ENTITY x SYSTEM 'file:///etc/passwd'>")).to_string().contains("entities of its own"));
    assert!(error(&subset("<!ENTITY a 'ha'><!ENTITY x '&a;&a;'>")).to_string().contains("entities of its own"));
    assert_eq!(error(&article(&"<sec>".repeat(1_000))), ParseError::TooDeep { limit: 512 });
    assert_eq!(error(&article("<body><fig/></body>")), ParseError::NoText { pages: None });
    assert!(matches!(error("<article><front><article-meta></article>"), ParseError::Damaged { .. }));
}

#[test]
fn utf16_and_right_to_left_text_are_read_in_logical_order() {
    let source =
        "\u{feff}<?xml version='1.0' encoding='utf-16'?><article article-type='x'><body><p>نص عربي mg 5 עברית</p></body></article>";
    let wide: Vec<u8> = source.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(crate::parse("a.xml", &wide, &ParseLimits::default()).unwrap().text, "نص عربي mg 5 עברית");
}
