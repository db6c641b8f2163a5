//! Reads the map from a font's codes to Unicode (9.10.3, Adobe Technical Note 5411).
//!
//! Only the operators that carry mappings are read and everything around them is passed over: real maps leave out headers,
//! names and line breaks that the format asks for, and a strict reader then loses the whole text of the font.

/// Most mappings of one map; a font has at most 65,536 glyphs.
const MAPPINGS_MAX: usize = 200_000;
/// Longest text of one code, in UTF-16 units.
const TARGET_UNITS_MAX: usize = 64;

/// Codes from `first` to `last` show `target`, its last unit counting up.
struct Range {
    first: u32,
    last: u32,
    target: Vec<u16>,
}

/// A map from codes to UTF-16.
pub(super) struct CMap {
    /// Sorted by first code.
    ranges: Vec<Range>,
}

enum Token<'t> {
    Hex(Vec<u8>),
    Open,
    Close,
    Word(&'t [u8]),
}

impl CMap {
    /// Reads a map; one without any mapping is `None`.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut ranges = Vec::new();
        let mut pending = Vec::new();
        let mut rest = content;
        while let Some(token) = next_token(&mut rest) {
            match token {
                Token::Word(b"endbfchar") => chars(&pending, &mut ranges),
                Token::Word(b"endbfrange") => spans(&pending, &mut ranges),
                Token::Word(_) => {}
                operand => {
                    pending.push(operand);
                    continue;
                }
            }
            pending.clear();
            if ranges.len() > MAPPINGS_MAX {
                break;
            }
        }
        // A later mapping of the same code wins, as it does in an interpreter.
        ranges.reverse();
        ranges.sort_by_key(|range: &Range| range.first);
        (!ranges.is_empty()).then_some(Self { ranges })
    }

    /// What a code shows.
    pub(super) fn get(&self, code: u32) -> Option<Vec<u16>> {
        let after = self.ranges.partition_point(|range| range.first <= code);
        // Equal first codes stand together with the winner first; ranges that overlap otherwise do not occur.
        let nearest = self.ranges.get(after.checked_sub(1)?)?.first;
        let start = self.ranges.partition_point(|range| range.first < nearest);
        let range = self.ranges.get(start..after)?.iter().find(|range| code <= range.last)?;
        let mut target = range.target.clone();
        if let Some(last) = target.last_mut() {
            *last = last.wrapping_add(u16::try_from(code - range.first).ok()?);
        }
        Some(target)
    }
}

fn next_token<'t>(rest: &mut &'t [u8]) -> Option<Token<'t>> {
    loop {
        let (first, tail) = rest.split_first()?;
        match first {
            b'%' => {
                let end = tail.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(tail.len());
                *rest = tail.get(end..)?;
            }
            b'[' | b']' => {
                *rest = tail;
                return Some(if *first == b'[' { Token::Open } else { Token::Close });
            }
            b'<' if tail.first() != Some(&b'<') => {
                let end = tail.iter().position(|b| *b == b'>')?;
                let (digits, after) = tail.split_at(end);
                *rest = after.get(1..)?;
                return Some(Token::Hex(unhex(digits)));
            }
            b if b.is_ascii_alphabetic() => {
                let end = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                *rest = after;
                return Some(Token::Word(word));
            }
            // Dictionary brackets come in twos and must not be taken for strings.
            b'<' => *rest = tail.get(1..)?,
            _ => *rest = tail,
        }
    }
}

/// Hexadecimal digits as bytes, other characters passed over; a missing last digit is 0 (7.3.4.3).
fn unhex(digits: &[u8]) -> Vec<u8> {
    let values: Vec<u8> = digits.iter().filter_map(|b| char::from(*b).to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    values.chunks(2).map(|pair| pair.first().unwrap_or(&0) << 4 | pair.get(1).unwrap_or(&0)).collect()
}

fn code(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |code, byte| code << 8 | u32::from(*byte))
}

fn units(bytes: &[u8]) -> Vec<u16> {
    match bytes {
        [single] => vec![u16::from(*single)],
        _ => bytes.as_chunks::<2>().0.iter().take(TARGET_UNITS_MAX).map(|pair| u16::from_be_bytes(*pair)).collect(),
    }
}

fn chars(pending: &[Token<'_>], ranges: &mut Vec<Range>) {
    for pair in pending.chunks(2) {
        if let [Token::Hex(from), Token::Hex(to)] = pair {
            ranges.push(Range { first: code(from), last: code(from), target: units(to) });
        }
    }
}

fn spans(pending: &[Token<'_>], ranges: &mut Vec<Range>) {
    let mut tokens = pending.iter();
    while let (Some(Token::Hex(first)), Some(Token::Hex(last))) = (tokens.next(), tokens.next()) {
        let (first, last) = (code(first), code(last));
        match tokens.next() {
            Some(Token::Hex(target)) => ranges.push(Range { first, last, target: units(target) }),
            Some(Token::Open) => {
                let listed = tokens.by_ref().map_while(|token| if let Token::Hex(target) = token { Some(target) } else { None });
                // One range for each code, so that the counting up never applies.
                ranges.extend((first..=last.max(first)).zip(listed).map(|(at, target)| Range {
                    first: at,
                    last: at,
                    target: units(target),
                }));
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(map: &CMap, code: u32) -> Option<String> {
        map.get(code).map(|units| String::from_utf16(&units).unwrap())
    }

    #[test]
    fn characters_ranges_and_lists_are_mapped() {
        let map = CMap::read(
            b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CIDSystemInfo << /Registry (Adobe) >> def\n\
              1 begincodespacerange <0000> <FFFF> endcodespacerange % comment <41>\n\
              2 beginbfchar <0001><0066 0069> <02> <D835DEFC> endbfchar\n\
              2 beginbfrange <0003> <0005> <0041> <0010> <0011> [<0061> <00620063>] endbfrange endcmap",
        )
        .unwrap();
        assert_eq!(shown(&map, 1).as_deref(), Some("fi"));
        assert_eq!(shown(&map, 2).as_deref(), Some("𝛼"));
        assert_eq!(shown(&map, 5).as_deref(), Some("C"));
        assert_eq!(shown(&map, 0x11).as_deref(), Some("bc"));
        assert_eq!([shown(&map, 6), shown(&map, 0x12), shown(&map, 0)], [None, None, None]);
    }

    #[test]
    fn maps_that_break_off_or_hold_nothing_are_harmless() {
        assert!(CMap::read(b"begincmap endcmap").is_none());
        assert!(CMap::read(b"beginbfrange <00> <ff> [<41> endbfrange <").is_some());
        assert!(CMap::read(b"beginbfchar <01> <").is_none());
    }
}
