//! Stepping up on pages: the code in a dangerous form is proven before its verb runs.
//!
//! **Invariant:** a session that stepped up has a new token, so every reply after `prove` carries the jar that came back, also a refusal.

use crate::{
    caller::session_cookie,
    components::{
        form::{Fields, Refused},
        step_up::StepUp,
    },
    pages::sign_in::code_proof,
    problem::Reply,
    state::AppState,
};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use maud::Markup;
use vital_kernel::Result;
use vital_platform::identity::{self, Caller, FactorKind};

/// Who sent a dangerous form, after the code in it was looked at.
pub(crate) struct Proven {
    /// The caller, stepped up where the code was right.
    pub(crate) caller: Caller,
    /// The cookies of the reply.
    pub(crate) jar: CookieJar,
    /// The refusal of a wrong code.
    pub(crate) outcome: Result<()>,
}

/// Steps up with the code of a form, if there is one. Without a code the verb decides whether the caller's last proof is recent enough.
pub(crate) async fn prove(s: &AppState, caller: Caller, jar: CookieJar, given: &Fields) -> Proven {
    let code = given.one("code");
    if code.trim().is_empty() || caller.cx.stepped_up() {
        return Proven { caller, jar, outcome: Ok(()) };
    }
    let token = match identity::step_up(&s.platform, &caller, code_proof(code), None).await {
        Ok(token) => token,
        Err(e) if e.code() == "step_up.refused" => {
            let error = e.with_field("/code", "This code was not accepted.");
            return Proven { caller, jar, outcome: Err(error) };
        }
        Err(e) => return Proven { caller, jar, outcome: Err(e) },
    };
    let jar = jar.add(session_cookie(s, token.reveal()));
    match identity::authenticate(&s.platform, token.reveal(), caller.cx.request_id()).await {
        Ok(caller) => Proven { caller, jar, outcome: Ok(()) },
        Err(e) => Proven { caller, jar, outcome: Err(e) },
    }
}

/// What dangerous forms have to ask this caller for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn asked(s: &AppState, caller: &Caller) -> Result<StepUp> {
    let proven = caller.cx.stepped_up();
    let passkey =
        caller.has_factor && !proven && identity::factors(&s.platform, &caller.cx).await?.iter().any(|f| f.kind == FactorKind::Passkey);
    Ok(StepUp { proven, factor: caller.has_factor, passkey })
}

/// The reply to a form that did what it says: on to another page.
pub(crate) fn done(jar: CookieJar, address: &str) -> Response {
    (jar, Redirect::to(address)).into_response()
}

/// The reply to a form that was refused: the page again where the person can mend it, the problem otherwise.
pub(crate) async fn again(jar: CookieJar, refused: &Refused, page: impl Future<Output = Reply<Markup>>) -> Response {
    if !refused.is_mendable() {
        return (jar, refused.problem().clone()).into_response();
    }
    match page.await {
        Ok(page) => (refused.problem().status(), jar, page).into_response(),
        Err(problem) => (jar, problem).into_response(),
    }
}
