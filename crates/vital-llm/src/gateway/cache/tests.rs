use super::*;

fn key(tenant: u128, target: &str, sent: &[u8]) -> CacheKey {
    CacheKey::new(TenantId(uuid::Uuid::from_u128(tenant)), &target.into(), sent)
}

fn record(cache: &ExactCache, key: CacheKey, items: &[Delta]) {
    let mut recording = Some(Recording::new(cache.clone(), key));
    for item in items {
        recording = recording.and_then(|recording| recording.item(item));
    }
}

fn answer(text: &str) -> Vec<Delta> {
    vec![Delta::Text(text.to_owned()), Delta::Stop(StopReason::EndTurn)]
}

fn cache() -> ExactCache {
    ExactCache::in_memory(1 << 20, Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_tenant_target_and_request_alone_and_for_its_time() {
    let cache = cache();
    record(&cache, key(1, "t", b"r"), &answer("a"));
    assert_eq!(cache.get(&key(1, "t", b"r")).as_deref(), Some(answer("a").as_slice()));
    for other in [key(2, "t", b"r"), key(1, "u", b"r"), key(1, "t", b"s")] {
        assert_eq!(cache.get(&other), None);
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(cache.get(&key(1, "t", b"r")), None);
}

#[test]
fn an_answer_that_is_cut_off_refused_or_calls_a_tool_is_not_kept() {
    let cache = cache();
    let text = Delta::Text("a".to_owned());
    let call = Delta::ToolCallStart { index: 0, id: "c".to_owned(), name: "f".to_owned() };
    for items in [
        vec![text.clone()],
        vec![text.clone(), Delta::Stop(StopReason::MaxTokens)],
        vec![text.clone(), Delta::Stop(StopReason::Refusal)],
        vec![text.clone(), Delta::Stop(StopReason::ToolUse)],
        vec![text.clone(), Delta::Stop(StopReason::Other)],
        vec![text, call, Delta::Stop(StopReason::EndTurn)],
    ] {
        record(&cache, key(1, "t", b"r"), &items);
        assert_eq!(cache.get(&key(1, "t", b"r")), None, "{items:?}");
    }
}

#[test]
fn what_is_kept_is_bounded_in_bytes_whatever_comes() {
    let cache = ExactCache::in_memory(64 * 1024, Duration::from_secs(60));
    for number in 0..200_u32 {
        record(&cache, key(1, "t", &number.to_le_bytes()), &answer(&"x".repeat(8 * 1024)));
    }
    cache.kept.run_pending_tasks();
    assert!(cache.kept.weighted_size() <= 64 * 1024 && cache.kept.entry_count() > 0);
    let tiny_pieces = vec![Delta::Text("x".to_owned()); ANSWER_BYTES_MAX / ITEM_BYTES + 1];
    record(&cache, key(2, "t", b"r"), &[tiny_pieces, answer("")].concat());
    assert_eq!(cache.get(&key(2, "t", b"r")), None, "overhead counts too");
}

#[test]
fn a_tenants_answers_are_forgotten_on_demand() {
    let cache = cache();
    record(&cache, key(1, "t", b"r"), &answer("a"));
    record(&cache, key(2, "t", b"r"), &answer("b"));
    cache.forget(TenantId(uuid::Uuid::from_u128(1)));
    assert_eq!((cache.get(&key(1, "t", b"r")), cache.get(&key(2, "t", b"r")).is_some()), (None, true));
}

#[test]
fn a_replayed_prompt_counts_as_cached() {
    let usage = TokenUsage { input: 9, output: 2, cache_write_input: 4, ..TokenUsage::default() };
    assert_eq!(again(&Delta::Usage(usage)), Delta::Usage(TokenUsage { input: 9, cached_input: 9, output: 2, ..TokenUsage::default() }));
}
