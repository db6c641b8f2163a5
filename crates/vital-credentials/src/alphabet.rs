//! Random bytes, and writing bytes in letters that people copy: base 32, five bits to a letter.

use rand::RngCore as _;
use zeroize::Zeroizing;

/// The letters of RFC 4648 base 32, which authenticator apps read.
pub(crate) const RFC_4648: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Crockford's letters: no I, L, O and U, so that a copied code cannot be misread.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Returns random bytes of a generator that the operating system seeds.
pub(crate) fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    rand::rng().fill_bytes(bytes.as_mut_slice());
    bytes
}

/// Writes bytes five bits to a letter, without padding; a last group of fewer bits is filled with zeroes.
pub(crate) fn base32(bytes: &[u8], letters: &[u8; 32]) -> String {
    let (mut pending, mut bits) = (0_u32, 0_u32);
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for byte in bytes {
        pending = ((pending << 8) | u32::from(*byte)) & 0xFFFF;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(letters[(pending >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        out.push(char::from(letters[(pending << (5 - bits)) as usize & 31]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_writes_the_vectors_of_rfc_4648() {
        for (plain, written) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(plain.as_bytes(), RFC_4648), written);
        }
    }
}
