//! The API description, the router and what is served agree.

use crate::app;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The text of the router, for what it cannot be asked at run time.
const ROUTER: &str = include_str!("../../../vital-web/src/router.rs");

/// Method and path of every described operation, in the order of the description.
pub fn described() -> Vec<(String, String)> {
    let api = serde_json::to_value(vital_web::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            all.push((method.to_uppercase(), path.clone()));
        }
    }
    all
}

/// Method and path of every route that is not described: pages and files.
pub fn routed() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for line in ROUTER.lines().filter_map(|l| l.trim().strip_prefix(".route(\"")) {
        let (path, handlers) = line.split_once('"').unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                all.push((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    all
}

#[test]
fn every_api_route_is_described() {
    let undescribed: Vec<_> = routed().into_iter().filter(|(_, path)| path.starts_with("/api/v1") || path.ends_with("z")).collect();
    assert!(undescribed.is_empty(), "make these routes with `routes!`, so that they are described: {undescribed:?}");
    let added = ROUTER.matches(".routes(").count();
    assert_eq!(added, ROUTER.matches(".routes(routes!(").count(), "a route is added in a way that this test does not read");
    assert!(!ROUTER.contains(".nest(") && !ROUTER.contains("route_service("), "a route is added in a way that this test does not read");
}

/// Names under which types are described, each with its file: the name of the type, or what `#[schema(as = ...)]` says.
fn described_types(folder: &Path, found: &mut BTreeMap<String, Vec<PathBuf>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            described_types(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut renamed: Option<String> = None;
            let mut lines = text.lines().map(str::trim);
            while lines.by_ref().any(|l| l.starts_with("#[derive(") && l.contains("ToSchema")) {
                let item = lines.by_ref().find(|line| {
                    let other = line.strip_prefix("#[schema(as = ").map(|rest| rest.trim_end_matches(")]").to_owned());
                    renamed = other.or_else(|| renamed.take());
                    line.contains("struct ") || line.contains("enum ")
                });
                let item = item.unwrap().split_once("struct ").or_else(|| item.unwrap().split_once("enum ")).unwrap().1;
                let own: String = item.chars().take_while(|c| c.is_alphanumeric()).collect();
                found.entry(renamed.take().unwrap_or(own)).or_default().push(path.clone());
            }
        }
    }
}

/// The description knows schemas by name: of two types with one name it would show one, and describe the other wrongly.
#[test]
fn no_two_types_are_described_under_one_name() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    for one in ["vital-web", "vital-platform", "vital-kernel", "vital-llm", "vital-tools"] {
        described_types(&crates.join(one).join("src"), &mut found);
    }
    assert!(found.len() > 100, "types are described in a way that this test does not read");
    found.retain(|_, files| files.len() > 1);
    assert!(found.is_empty(), "give one of each another name with `#[schema(as = ...)]`: {found:?}");
}

#[tokio::test]
async fn every_described_operation_is_routed() {
    let app = app().await;
    for (method, path) in described() {
        let path = path.replace("{id}", "x").replace("{slug}", "x");
        let reply = app.client(vital_testkit::app::Persona::Anonymous).request(&method, &path).send().await;
        assert_ne!(reply.status, 405, "{method} {path}");
        assert!(!reply.text().contains("page.unknown"), "{method} {path} is described and not there");
    }
}

#[tokio::test]
async fn the_served_description_is_the_one_in_the_code() {
    let app = app().await;
    let served = app.member().get("/api/openapi.json").await.expect(200).json();
    assert_eq!(served, serde_json::to_value(vital_web::openapi()).unwrap());
    let names: BTreeSet<&str> = served["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
    let text = served.to_string();
    for reference in text.split("#/components/schemas/").skip(1).map(|r| r.split('"').next().unwrap()) {
        assert!(names.contains(reference), "the description refers to {reference}, which it does not have");
    }
}

#[tokio::test]
async fn every_failure_has_the_described_shape() {
    let app = app().await;
    let problem = app.member().get("/api/v1/documents/00000000-0000-0000-0000-000000000000").await.problem(404, "document.unknown");
    let api = serde_json::to_value(vital_web::openapi()).unwrap();
    let required = api["components"]["schemas"]["ProblemBody"]["required"].as_array().unwrap();
    assert!(!required.is_empty());
    for member in required {
        assert!(!problem[member.as_str().unwrap()].is_null(), "{member} is missing: {problem}");
    }
    assert_eq!(problem["type"], "urn:vital:problem:document.unknown");
}
