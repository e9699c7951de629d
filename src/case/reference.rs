//! References such as `HR-7K3M-9QXD`: how people name a case. Seven random symbols of Crockford's base32 and a
//! check symbol; they give away neither order nor volume, and survive being read out on the phone.

use std::fmt;
use std::str::FromStr;

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DATA: usize = 7;

/// A well-formed reference; its check symbol is right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference([u8; DATA + 1]);

/// The text is no reference, or was mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a case reference: it looks like HR-7K3M-9QXD, and a mistyped one is recognised")]
pub struct BadReference;

impl Reference {
    /// The reference that `random` picks (35 bits of it).
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let mut symbols = [0; DATA + 1];
        for (place, symbol) in symbols.iter_mut().take(DATA).enumerate() {
            *symbol = ((random >> (5 * place)) & 31) as u8;
        }
        if let Some(check) = symbols.last_mut() {
            *check = check_of(&symbols_of_data(random));
        }
        Self(symbols)
    }

    /// Every well-formed reference in a line of text, in order.
    pub fn find_in(text: &str) -> impl Iterator<Item = Self> + '_ {
        let bytes = text.as_bytes();
        bytes.windows(12).enumerate().filter_map(move |(at, window)| {
            let free = |edge: Option<&u8>| edge.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            if !free(before) || !free(bytes.get(at + 12)) {
                return None;
            }
            std::str::from_utf8(window).ok()?.parse().ok()
        })
    }
}

fn symbols_of_data(random: u64) -> [u8; DATA] {
    std::array::from_fn(|place| ((random >> (5 * place)) & 31) as u8)
}

/// A sum over GF(32) with a different weight at each place: a changed symbol changes it because no weight is
/// zero, and two exchanged symbols change it because no two weights are equal (the check symbol's own is one).
fn check_of(data: &[u8; DATA]) -> u8 {
    let mut weight = 1;
    data.iter().fold(0, |sum, symbol| {
        weight = multiply(weight, 2);
        sum ^ multiply(weight, *symbol)
    })
}

/// Product in GF(32) = GF(2)[x] / (x⁵ + x² + 1).
fn multiply(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut shifted = a;
    for bit in 0..5 {
        if b >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted <<= 1;
        if shifted & 32 != 0 {
            shifted ^= 0b10_0101;
        }
    }
    product
}

fn value_of(symbol: u8) -> Option<u8> {
    let upper = match symbol.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    SYMBOLS.iter().position(|known| *known == upper).map(|at| at as u8)
}

impl FromStr for Reference {
    type Err = BadReference;

    /// Accepts any case, `O` for zero, `I` and `L` for one, and missing or other separators.
    fn from_str(text: &str) -> Result<Self, BadReference> {
        let text = text.trim();
        let rest = match text.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("HR") => text.get(2..).unwrap_or_default(),
            _ => return Err(BadReference),
        };
        let mut values = rest.bytes().filter(|byte| !matches!(byte, b'-' | b' ')).map(value_of);
        let mut symbols = [0; DATA + 1];
        for symbol in &mut symbols {
            *symbol = values.next().flatten().ok_or(BadReference)?;
        }
        if values.next().is_some() {
            return Err(BadReference);
        }
        let (check, data) = symbols.split_last().ok_or(BadReference)?;
        let data: &[u8; DATA] = data.try_into().map_err(|_| BadReference)?;
        if check_of(data) == *check { Ok(Self(symbols)) } else { Err(BadReference) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HR")?;
        for (place, value) in self.0.iter().enumerate() {
            if place % 4 == 0 {
                f.write_str("-")?;
            }
            let symbol = SYMBOLS.get(usize::from(*value)).copied().unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(symbol))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_back_what_it_writes(random: u64) {
            let reference = Reference::from_random(random);
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            prop_assert_eq!(reference.to_string().to_lowercase().parse(), Ok(reference));
        }

        #[test]
        fn catches_every_single_error(random: u64, place in 0..8usize, other in 0..32u8) {
            let mut reference = Reference::from_random(random);
            prop_assume!(reference.0[place] != other);
            reference.0[place] = other;
            prop_assert_eq!(reference.to_string().parse::<Reference>(), Err(BadReference));
        }

        #[test]
        fn catches_every_transposition(random: u64, a in 0..8usize, b in 0..8usize) {
            let mut reference = Reference::from_random(random);
            prop_assume!(reference.0[a] != reference.0[b]);
            reference.0.swap(a, b);
            prop_assert_eq!(reference.to_string().parse::<Reference>(), Err(BadReference));
        }

        #[test]
        fn never_panics_on_any_text(text: String) {
            let parsed = text.parse::<Reference>();
            prop_assert!(parsed.is_ok() || parsed == Err(BadReference));
            prop_assert!(Reference::find_in(&text).count() <= text.len());
        }
    }

    #[test]
    fn is_found_in_a_subject() {
        let reference = Reference::from_random(0x1234_5678_9abc);
        let subject = format!("AW: Ihre Nachricht [{}] – danke", reference.to_string().to_lowercase());
        assert_eq!(Reference::find_in(&subject).collect::<Vec<_>>(), [reference]);
        assert_eq!(Reference::find_in(&format!("X{reference}")).count(), 0);
    }
}
