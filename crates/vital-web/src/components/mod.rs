//! Pieces of pages. They turn values into markup and know neither requests nor verbs.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod appraisal;
pub(crate) mod composer;
pub(crate) mod confidence;
pub(crate) mod document;
pub(crate) mod expert;
pub(crate) mod form;
pub(crate) mod layout;
pub(crate) mod notice;
pub(crate) mod passage;
pub(crate) mod problem_page;
pub(crate) mod role;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod step_up;
pub(crate) mod text;
pub(crate) mod tools;
pub(crate) mod trail;
pub(crate) mod turn;
