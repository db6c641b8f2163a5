use super::{TurnState, generate::Outcome, prompt::Exchange, recorder::Recorder};
use crate::{Platform, experts::Expert, knowledge::Retrieval};
use vital_kernel::Result;
pub(super) async fn by_provider(_: &vital_llm::Provider, _: &Expert, _: &str, _: &str, _: &Retrieval, _: &[Exchange], _: &mut Recorder, _: &mut Outcome) -> Result<TurnState> { todo!() }
pub(super) async fn extractive(_: &Platform, _: &str, _: &Retrieval, _: &mut Recorder, _: &mut Outcome) -> Result<TurnState> { todo!() }
