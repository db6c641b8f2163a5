//! Groups of members.

use crate::{
    app,
    members::{give_roles, id_of},
};
use serde_json::{Value, json};
use vital_testkit::app::{Client, Persona};

async fn made(client: &Client, name: &str) -> String {
    let group = client.post("/api/v1/groups", &json!({ "name": name })).await.expect(201);
    assert!(group.header("location").unwrap().starts_with("/api/v1/groups/"));
    format!("/api/v1/groups/{}", group.json()["id"].as_str().unwrap())
}

async fn take_out(client: &Client, group: &str, ids: &[&String]) -> vital_testkit::app::Reply {
    client.request("DELETE", &format!("{group}/members")).json(&json!({ "members": ids })).send().await
}

#[tokio::test]
async fn a_group_is_made_renamed_filled_emptied_and_deleted() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let group = made(&admin, " Regulatory ").await;
    let renamed = admin.request("PATCH", &group).json(&json!({ "name": "Regulatory affairs" })).send().await.expect(200).json();
    assert_eq!((&renamed["name"], &renamed["members"], &renamed["provisioned"]), (&json!("Regulatory affairs"), &json!(0), &json!(false)));
    let (viewer, member) = (id_of(&app, Persona::Viewer).await, id_of(&app, Persona::Member).await);
    let members = format!("{group}/members");
    for _ in 0..2 {
        let filled = admin.post(&members, &json!({ "members": [viewer, member, member] })).await.expect(200).json();
        assert_eq!(filled["members"], 2, "adding twice changes nothing");
    }
    let listed = admin.get(&members).await.expect(200).items();
    let mut emails: Vec<&str> = listed.as_array().unwrap().iter().map(|m| m["email"].as_str().unwrap()).collect();
    emails.sort_unstable();
    assert_eq!(emails, [Persona::Member.email(), Persona::Viewer.email()]);
    assert_eq!(listed[0]["groups"][0]["name"], "Regulatory affairs");
    assert_eq!(take_out(&admin, &group, &[&viewer]).await.expect(200).json()["members"], 1);
    let of_group = admin.get(&format!("/api/v1/members?group={}", group.rsplit('/').next().unwrap())).await.expect(200).items();
    assert_eq!(of_group.as_array().unwrap().len(), 1);
    admin.delete(&group).await.expect(204);
    admin.get(&group).await.problem(404, "group.unknown");
    admin.get(&members).await.problem(404, "group.unknown");
    assert_eq!(admin.get(&format!("/api/v1/members/{member}")).await.expect(200).json()["groups"], json!([]));
}

#[tokio::test]
async fn names_of_groups_are_unique_in_an_organisation_and_free_in_another() {
    let app = app().await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    let (admin, other) = (app.client(Persona::TenantAdmin), app.client(Persona::OtherMember));
    let group = made(&admin, "Quality").await;
    made(&other, "Quality").await;
    admin.post("/api/v1/groups", &json!({ "name": "Quality" })).await.problem(409, "group.name_taken");
    made(&admin, "Safety").await;
    let taken = admin.request("PATCH", &group).json(&json!({ "name": "Safety" })).send().await.problem(409, "group.name_taken");
    assert_eq!(taken["errors"][0]["pointer"], "/name");
    for bad in ["", "  ", "a\nb", &"x".repeat(121)] {
        assert_eq!(admin.post("/api/v1/groups", &json!({ "name": bad })).await.problem(422, "group.name")["errors"][0]["pointer"], "/name");
    }
    let names: Vec<Value> =
        admin.get("/api/v1/groups").await.expect(200).items().as_array().unwrap().iter().map(|g| g["name"].clone()).collect();
    assert_eq!(names, ["Quality", "Safety"]);
}

#[tokio::test]
async fn nobody_from_elsewhere_gets_into_a_group_and_nothing_is_half_done() {
    let app = app().await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    let (admin, other) = (app.client(Persona::TenantAdmin), app.client(Persona::OtherMember));
    let (group, theirs) = (made(&admin, "Quality").await, made(&other, "Quality").await);
    let (viewer, foreign) = (id_of(&app, Persona::Viewer).await, id_of(&app, Persona::OtherMember).await);
    admin.post(&format!("{group}/members"), &json!({ "members": [viewer, foreign] })).await.problem(404, "member.unknown");
    assert_eq!(admin.get(&group).await.expect(200).json()["members"], 0);
    admin.post(&format!("{group}/members"), &json!({ "members": [] })).await.problem(422, "group.members");
    admin.post(&format!("{theirs}/members"), &json!({ "members": [viewer] })).await.problem(404, "group.unknown");
    take_out(&admin, &theirs, &[&foreign]).await.problem(404, "group.unknown");
    admin.get(&theirs).await.problem(404, "group.unknown");
    admin.delete(&theirs).await.problem(404, "group.unknown");
    other.get(&theirs).await.expect(200);
}
