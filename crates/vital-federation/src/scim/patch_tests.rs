//! What PATCH does to people and groups.

use super::{
    ENTERPRISE_URN, NewGroup, NewUser, Patch, ScimError, ScimType, USER_URN,
    resource::tests::{ada, chemists},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn patch(operations: Value) -> Result<Patch, ScimError> {
    let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"] });
    body["Operations"] = operations;
    Patch::parse(&body)
}

fn to_ada(operations: Value) -> Result<NewUser, ScimError> {
    patch(operations)?.apply_to_user(&ada())
}

fn to_chemists(operations: Value) -> Result<NewGroup, ScimError> {
    patch(operations)?.apply_to_group(&chemists())
}

fn why<T: std::fmt::Debug>(outcome: Result<T, ScimError>) -> ScimType {
    outcome.unwrap_err().scim_type().unwrap()
}

#[test]
fn entra_closes_an_account_in_its_own_way() {
    let user = to_ada(json!([
        { "op": "Replace", "path": "active", "value": "False" },
        { "op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@example.org" },
        { "op": "Replace", "path": format!("{ENTERPRISE_URN}:department"), "value": "Chemistry" },
        { "op": "Replace", "path": format!("{USER_URN}:name.familyName"), "value": "King" }
    ]))
    .unwrap();
    assert_eq!((user.active, user.family_name.as_deref(), user.given_name.as_deref()), (Some(false), Some("King"), Some("Ada")));
}

#[test]
fn okta_sends_values_without_a_path() {
    let user = to_ada(
        json!([{ "op": "replace", "value": { "id": "u1", "active": false, "name.familyName": "King", ENTERPRISE_URN: { "x": 1 } } }]),
    )
    .unwrap();
    assert_eq!((user.active, user.family_name.as_deref()), (Some(false), Some("King")));
    let group = to_chemists(json!([{ "op": "replace", "value": { "id": "g1", "displayName": "New" } }])).unwrap();
    assert_eq!((group.display_name.as_str(), group.members.len()), ("New", 2));
}

#[test]
fn a_complex_value_is_merged_and_unassigned_when_empty() {
    let user = to_ada(json!([{ "op": "replace", "path": "name", "value": { "familyName": "King" } }])).unwrap();
    assert_eq!((user.given_name.as_deref(), user.family_name.as_deref()), (Some("Ada"), Some("King")));
    let user = to_ada(json!([{ "op": "remove", "path": "name.givenName" }, { "op": "remove", "path": "externalId" }])).unwrap();
    assert_eq!((user.given_name, user.external_id), (None, None));
    assert_eq!(to_ada(json!([{ "op": "remove", "path": "name" }])).unwrap().given_name, None);
    assert_eq!(to_ada(json!([{ "op": "replace", "path": "name.givenName", "value": null }])).unwrap().given_name, None);
}

#[test]
fn nothing_can_leave_the_state_of_an_account_open() {
    assert_eq!(why(to_ada(json!([{ "op": "remove", "path": "active" }]))), ScimType::Mutability);
    assert_eq!(why(to_ada(json!([{ "op": "replace", "path": "active", "value": null }]))), ScimType::InvalidValue);
    assert_eq!(why(to_ada(json!([{ "op": "replace", "value": { "active": "maybe" } }]))), ScimType::InvalidValue);
    assert_eq!(to_ada(json!([{ "op": "add", "path": "displayName", "value": "A" }])).unwrap().active, Some(true));
}

#[test]
fn members_are_added_once_and_removed_by_choice() {
    let members = |operations| to_chemists(operations).map(|g| g.members);
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": "u2" }, { "value": "u3", "display": "x" }] }]);
    assert_eq!(members(add).unwrap(), ["u1", "u2", "u3"]);
    assert_eq!(members(json!([{ "op": "add", "path": "members", "value": { "value": "u3" } }])).unwrap(), ["u1", "u2", "u3"]);
    assert_eq!(members(json!([{ "op": "remove", "path": "members[value eq \"u1\"]" }])).unwrap(), ["u2"]);
    assert_eq!(members(json!([{ "op": "remove", "path": "members[value eq \"u9\"]" }])).unwrap(), ["u1", "u2"]);
    assert_eq!(members(json!([{ "op": "Remove", "path": "members", "value": [{ "value": "u1" }] }])).unwrap(), ["u2"]);
    assert!(members(json!([{ "op": "remove", "path": "members" }])).unwrap().is_empty());
    assert_eq!(members(json!([{ "op": "replace", "path": "members", "value": [{ "value": "u7" }] }])).unwrap(), ["u7"]);
    assert!(members(json!([{ "op": "replace", "path": "members", "value": [] }])).unwrap().is_empty());
    let swap = json!([{ "op": "replace", "path": "members[value eq \"u1\"]", "value": { "value": "u8" } }]);
    assert_eq!(members(swap).unwrap(), ["u2", "u8"]);
    assert_eq!(why(members(json!([{ "op": "add", "path": "members", "value": [{ "type": "User" }] }]))), ScimType::InvalidValue);
}

#[test]
fn refusals_carry_the_keyword_of_the_standard() {
    use ScimType::{InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget};
    for (operation, expected) in [
        (json!({ "op": "remove" }), NoTarget),
        (json!({ "op": "move", "path": "active" }), InvalidSyntax),
        (json!({ "op": "add", "path": "active" }), InvalidValue),
        (json!({ "op": "add", "value": 1 }), InvalidValue),
        (json!({ "op": "replace", "path": 1, "value": 1 }), InvalidPath),
        (json!({ "op": "replace", "path": "name[", "value": 1 }), InvalidPath),
        (json!({ "op": "replace", "path": "active[value eq true]", "value": true }), InvalidPath),
        (json!({ "op": "replace", "path": "userName.x", "value": "a" }), InvalidPath),
        (json!({ "op": "replace", "path": "userName", "value": ["a"] }), InvalidValue),
        (json!({ "op": "remove", "path": "userName" }), Mutability),
        (json!({ "op": "replace", "path": "id", "value": "x" }), Mutability),
        (json!({ "op": "replace", "path": "meta.version", "value": "x" }), Mutability),
        (json!({ "op": "remove", "path": "groups" }), Mutability),
    ] {
        assert_eq!(why(to_ada(json!([operation]))), expected, "{operation}");
    }
    let no_match = json!([{ "op": "replace", "path": "members[value eq \"u9\"]", "value": { "value": "u8" } }]);
    assert_eq!(why(to_chemists(no_match)), NoTarget);
    assert_eq!(why(to_chemists(json!([{ "op": "replace", "path": "members[value eq \"u1\"].type", "value": "User" }]))), Mutability);
    assert_eq!(why(patch(json!([]))), InvalidSyntax);
    assert_eq!(why(patch(json!(vec![json!({ "op": "remove", "path": "name" }); 1_001]))), ScimType::TooMany);
}

/// JSON made of the words that the readers look for.
fn json_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\\[\\]. \"]{0,8}|members\\[value pr\\]|name\\.givenName|True|User|u1".prop_map(Value::from),
    ];
    let key = "userName|active|name|givenName|members|value|type|externalId|id|displayName|members\\[value pr\\]|[a-z.]{0,5}";
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    /// No value and no path makes a reader panic, and what passes is within the rules.
    #[test]
    fn whatever_comes_in_people_and_groups_stay_whole(verb in "add|Replace|remove", path in json_like(), value in json_like()) {
        let operations = json!([{ "op": verb, "path": path, "value": value }, { "op": verb, "value": value }]);
        if let Ok(user) = to_ada(operations.clone()) {
            prop_assert!(user.active.is_some() && !user.user_name.is_empty());
        }
        if let Ok(group) = to_chemists(operations) {
            prop_assert!(!group.display_name.is_empty() && group.members.iter().all(|m| !m.is_empty()));
        }
    }

    /// Removing what was just added gives back the group, whoever they are.
    #[test]
    fn adding_and_removing_members_cancel_out(ids in proptest::collection::hash_set("n[0-9]{1,4}", 1..20)) {
        let added: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
        let mut operations = vec![json!({ "op": "add", "path": "members", "value": added })];
        operations.extend(ids.iter().map(|id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") })));
        prop_assert_eq!(to_chemists(operations.into()).unwrap().members, chemists().members);
    }
}
