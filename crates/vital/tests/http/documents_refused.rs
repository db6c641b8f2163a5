//! Files that cannot be taken or read: a clear error, nothing lost, nothing stored that should not be.

#![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]

use crate::{app, uploaded};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use vital_testkit::app::{Form, Persona, files};

#[tokio::test]
async fn a_file_that_cannot_be_read_says_why_and_the_next_one_is_read() {
    let app = app().await;
    let member = app.member();
    let whole = files::pdf(&["A page of text.", "Another page of text."]);
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("blank.txt", "document.empty", b" \n \n".to_vec()),
        ("locked.pdf", "document.encrypted", files::encrypted_pdf()),
        ("truncated.pdf", "document.damaged", whole[..whole.len() / 3].to_vec()),
        ("truncated.docx", "document.damaged", files::docx(&["Text."])[..200].to_vec()),
        ("really-a-pdf.docx", "document.wrong_extension", whole.clone()),
        ("image.pdf", "document.wrong_extension", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("table.ods", "document.unknown_format", b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
        ("bomb.docx", "document.too_much_text", files::zip_bomb()),
        ("scan.pdf", "document.no_text", files::pdf(&["", "", ""])),
        ("binary.txt", "document.not_utf8", (0..2_000_u32).map(|n| (n * 7 % 256) as u8).collect()),
    ];
    for (file_name, code, bytes) in cases {
        let document = uploaded(&member, file_name, bytes).await;
        assert_eq!(document["state"], "failed", "{file_name}: {document}");
        assert_eq!(document["failure"]["code"], code, "{file_name}: {document}");
        let detail = document["failure"]["detail"].as_str().unwrap();
        assert!(detail.len() > 30 && detail.ends_with('.'), "{file_name}: {detail}");
        assert_eq!((&document["passages"], &document["version"]), (&json!(0), &json!(null)));
        member.get(&format!("/api/v1/documents/{}/text", document["id"].as_str().unwrap())).await.problem(409, "document.not_ready");
    }
    let scan = member.get("/api/v1/documents?title=scan").await.expect(200).items()[0]["failure"]["detail"].as_str().unwrap().to_owned();
    assert!(scan.contains("OCR"), "{scan}");
    assert_eq!(uploaded(&member, "fine.pdf", files::pdf(&["A page that can be read."])).await["state"], "ready");
}

#[tokio::test]
async fn text_in_no_encoding_is_read_as_far_as_it_can_be_or_refused_by_name() {
    let app = app().await;
    let western = uploaded(&app.member(), "latin.txt", b"The na\xefve cohort had a titre of 5 \xb5g per ml.".to_vec()).await;
    assert_eq!(western["state"], "ready", "{western}");
    let text = app.member().get(&format!("/api/v1/documents/{}/text", western["id"].as_str().unwrap())).await.expect(200).json();
    assert!(text["text"].as_str().unwrap().contains("na\u{ef}ve cohort"), "{text}");
    let broken = uploaded(&app.member(), "broken.txt", b"Neither UTF-8 nor Windows-1252: \x81\x8d\x8f\x90\x9d".to_vec()).await;
    assert_eq!(broken["failure"]["code"], "document.not_utf8", "{broken}");
}

#[tokio::test]
async fn an_empty_file_is_refused_at_the_door() {
    let app = app().await;
    app.member().upload("empty.pdf", Vec::new()).await.problem(422, "document.empty");
    assert_eq!(
        app.member().get("/api/v1/documents?starter=false").await.expect(200).items().as_array().unwrap().len(),
        1,
        "nothing was stored"
    );
}

#[tokio::test]
async fn hostile_file_names_lose_their_path_or_are_refused() {
    let app = app().await;
    for (n, (given, kept)) in [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\\\temp\\\\plan.txt", "plan.txt"),
        ("<script>alert(1)</script>.txt", "script>.txt"),
        ("'; drop table documents; --.txt", "'; drop table documents; --.txt"),
        ("\u{202e}txt.exe.txt", "\u{202e}txt.exe.txt"),
        ("наблюдение 日本.txt", "наблюдение 日本.txt"),
    ]
    .into_iter()
    .enumerate()
    {
        let document = uploaded(&app.member(), given, format!("The quoll registry has {n} sites in the file.")).await;
        assert_eq!((&document["file_name"], &document["state"]), (&json!(kept), &json!("ready")), "{given}");
    }
    let page = app.member().get("/library").await.expect(200).text();
    assert!(page.contains("script&gt;.txt") && !page.contains("script>.txt"), "names are shown as text");
    for (n, refused) in ["", "..", "/", &"n".repeat(201)].into_iter().enumerate() {
        app.member().upload(refused, format!("Refused {n}.")).await.problem(422, "document.name");
    }
}

#[tokio::test]
async fn a_form_with_the_wrong_fields_is_refused_whole() {
    let app = app().await;
    let send = async |form: Form| app.member().request("POST", "/api/v1/documents").form_data(&form).send().await;
    let file = || Form::new().file("a.txt", "Some text.");
    send(Form::new()).await.problem(422, "upload.no_file");
    send(Form::new().field("collection", "own")).await.problem(422, "upload.no_file");
    send(file().file("b.txt", "More text.")).await.problem(422, "upload.too_many");
    send(file().field("colour", "red")).await.problem(422, "upload.field");
    send(file().field("collection", &"x".repeat(5_000))).await.problem(413, "document.too_large");
    let many = (0..5_000).fold(file(), |form, n| form.field(&format!("field-{n}"), "x"));
    send(many).await.problem(422, "upload.field");
    let browser = (0..51).fold(Form::new(), |form, n| form.file(&format!("{n}.txt"), format!("Text {n}.")));
    assert_eq!(app.member().request("POST", "/library/upload").form_data(&browser).send().await.status, 422);
    let cut = app.member().request("POST", "/api/v1/documents").body(&Form::media_type(), &file().bytes()[..60]).send().await;
    cut.problem(400, "upload.broken");
    assert_eq!(
        app.member().get("/api/v1/documents?starter=false").await.expect(200).items().as_array().unwrap().len(),
        1,
        "nothing was stored"
    );
}

#[tokio::test]
async fn a_body_that_is_no_form_is_a_problem_too() {
    let app = app().await;
    app.member().request("POST", "/api/v1/documents").body("application/json", "{}").send().await.problem(400, "upload.broken");
    app.member().request("POST", "/api/v1/documents").body("multipart/form-data", "x").send().await.problem(400, "upload.broken");
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_however_it_is_sent() {
    let app = app().await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST /api/v1/documents HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        Persona::Member.token().unwrap(),
        Form::media_type()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let form = Form::new().file("large.txt", Vec::new()).bytes();
    let start = form[..form.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4].to_vec();
    let write = tokio::spawn(async move {
        let first = [format!("{:x}\r\n", start.len()).as_bytes(), &start, b"\r\n"].concat();
        let chunk = [b"100000\r\n".as_slice(), &vec![b'a'; 0x10_0000], b"\r\n"].concat();
        if writing.write_all(&first).await.is_err() {
            return;
        }
        for _ in 0..52 {
            // The server stops reading when it has seen enough.
            if writing.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
    let mut reply = vec![0; 12];
    tokio::time::timeout(vital_testkit::app::PATIENCE, reading.read_exact(&mut reply)).await.expect("an answer").unwrap();
    assert_eq!(String::from_utf8_lossy(&reply), "HTTP/1.1 413");
    drop(reading);
    write.await.unwrap();
    assert_eq!(
        app.member().get("/api/v1/documents?starter=false").await.expect(200).items().as_array().unwrap().len(),
        1,
        "nothing was stored"
    );
}
