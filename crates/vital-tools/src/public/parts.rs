//! Long texts in parts, so that one call returns one of them.

/// Cuts a text between paragraphs into parts of at most so many bytes; a longer paragraph is cut between characters.
pub(crate) fn parts(text: &str, bytes_max: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut rest = paragraph;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(bytes_max));
            match parts.last_mut() {
                Some(last) if last.len() + 2 + now.len() <= bytes_max => {
                    last.push_str("\n\n");
                    last.push_str(now);
                }
                _ => parts.push(now.to_owned()),
            }
            rest = later;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_hold_every_paragraph_within_the_limit(paragraphs in prop::collection::vec("[a-zä]{1,40}", 0..30), bytes_max in 8_usize..64) {
            let text = paragraphs.join("\n\n");
            let parts = parts(&text, bytes_max);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= bytes_max));
            prop_assert_eq!(parts.concat().replace('\n', ""), text.replace('\n', ""));
        }
    }
}
