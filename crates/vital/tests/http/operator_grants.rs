//! Lasting access that an operator gives by command: it is recorded, told and reviewed, and ordinary work is not.

use crate::app;
use serde_json::{Value, json};
use vital_kernel::{Actor, OpContext, Origin, RequestId, Role, RoleSet, TenantId, now};
use vital_platform::{
    audit,
    identity::{self, NewKey, NewUser, operator_context},
};
use vital_testkit::app::{PASSWORD, Persona, TestApp};

/// Longer than a week and the time after its end in which nothing is prepared.
const LATER: time::Duration = time::Duration::days(8);

fn tenant(app: &TestApp) -> TenantId {
    app.a().tenant.parse().unwrap()
}

async fn granted(app: &TestApp) -> Vec<Value> {
    let path = "/api/v1/audit/entries?action=operator.access_granted";
    app.client(Persona::Auditor).get(path).await.expect(200).items().as_array().unwrap().clone()
}

/// What administrators are sent, as they read it.
fn mails(app: &TestApp) -> Vec<String> {
    app.mails().iter().map(|mail| mail.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")).collect()
}

/// Somebody who is not the operator.
#[expect(clippy::disallowed_methods, reason = "a test says who acts")]
fn somebody(tenant: TenantId) -> OpContext {
    OpContext::establish(Origin::Test, tenant, Actor::Job(None), RoleSet::from_iter([Role::TenantAdmin]), RequestId::new())
}

#[tokio::test]
async fn an_account_that_an_operator_makes_is_recorded_told_and_a_finding_of_the_week() {
    let app = app().await;
    let (tenant, before) = (tenant(&app), app.mails().len());
    let made = app
        .on_platform(move |p| async move {
            let new = NewUser {
                display_name: "Eve Example".into(),
                email: "eve@new.example".into(),
                password: PASSWORD.into(),
                roles: vec![Role::TenantAdmin],
            };
            identity::create_user_as_operator(&p, &operator_context(tenant), new).await.unwrap()
        })
        .await;
    assert_eq!((made.told, made.not_told), (1, 0), "the administrator who was there, not the new one");
    let mail = mails(&app).split_off(before).pop().unwrap();
    assert!(mail.contains(&Persona::TenantAdmin.email()) && mail.contains("Eve Example") && mail.contains("tenant_admin"), "{mail}");
    let left = granted(&app).await;
    assert_eq!((left.len(), &left[0]["objects"][0], &left[0]["actor"]), (1, &json!(made.what.0), &Value::Null));
    assert!(!left[0].to_string().contains("eve@new.example"), "ids and names of fields: {left:?}");
    app.on_platform(|p| async move { audit::prepare_due(&p, now() + LATER).await.unwrap() }).await;
    let auditor = app.client(Persona::Auditor);
    let week = auditor.get("/api/v1/audit/reviews").await.expect(200).items()[0]["week"].as_str().unwrap().to_owned();
    let review = auditor.get(&format!("/api/v1/audit/reviews/{week}")).await.expect(200).json();
    let finding = review["findings"].as_array().unwrap().iter().find(|f| f["kind"] == "operator_grant").cloned().unwrap();
    assert_eq!(
        (&finding["object"], &finding["object_name"], &finding["subject"]),
        (&json!(made.what.0), &json!("Eve Example"), &Value::Null)
    );
    let page = auditor.get(&format!("/settings/reviews/{week}")).await.expect(200).text();
    assert!(page.contains("An operator gave Eve Example lasting access by command"), "{page}");
}

#[tokio::test]
async fn a_key_that_an_operator_makes_is_recorded_and_told_and_nobody_else_can_make_one_so() {
    let app = app().await;
    let (tenant, before) = (tenant(&app), app.mails().len());
    let issued = app
        .on_platform(move |p| async move {
            let cx = operator_context(tenant);
            let account = identity::create_service_account(&p, &cx, "Entra ID", vec![Role::TenantAdmin]).await.unwrap().id;
            let key =
                || NewKey { name: "Entra ID".into(), scopes: vec!["directory.provision".into()], days: Some(30), member: Some(account) };
            let foreign = somebody(tenant);
            let refused = identity::issue_key_as_operator(&p, &foreign, key()).await.unwrap_err();
            assert_eq!(refused.code(), "operator.only");
            (account, identity::issue_key_as_operator(&p, &cx, key()).await.unwrap())
        })
        .await;
    let (account, granted_key) = issued;
    assert_eq!((granted_key.told, granted_key.not_told), (1, 0));
    let mail = mails(&app).split_off(before).pop().unwrap();
    assert!(mail.contains("Entra ID") && mail.contains("directory.provision") && !mail.contains(&granted_key.what.key), "{mail}");
    let left = granted(&app).await;
    assert_eq!((left.len(), &left[0]["objects"][0]), (1, &json!(account.0)));
    assert_eq!(left[0]["fields"], json!(["key", "scopes"]));
}
