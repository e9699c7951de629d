//! Relaxed alignment as DMARC has it (RFC 7489 section 3.1): two domains are one organisation's when the name that
//! was registered is the same. Registries sell below `co.uk` as below `com`, which only the public suffix list knows.

/// Whether two domains belong to one organisation. Case and a final dot do not matter.
pub fn aligned(one: &str, other: &str) -> bool {
    let (one, other) = (clean(one), clean(other));
    if one.is_empty() || other.is_empty() {
        return false;
    }
    one == other || matches!((registered(&one), registered(&other)), (Some(one), Some(other)) if one == other)
}

/// The domain of an address, or the domain that stands there.
pub fn domain(written: &str) -> &str {
    let written = written.trim().trim_matches(['<', '>', '"']);
    written.rsplit_once('@').map_or(written, |(_, domain)| domain)
}

fn clean(domain: &str) -> String {
    domain.trim().trim_end_matches('.').to_lowercase()
}

fn registered(domain: &str) -> Option<&str> {
    psl::domain_str(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organisation_or_two() {
        for (one, other, expected) in [
            ("firm.test", "firm.test", true),
            ("mail.firm.test", "firm.test", true),
            ("a.firm.test", "b.FIRM.test.", true),
            ("firm.test", "other.test", false),
            ("evilfirm.test", "firm.test", false),
            ("firm.co.uk", "other.co.uk", false),
            ("mail.firm.co.uk", "firm.co.uk", true),
            ("co.uk", "firm.co.uk", false),
            ("test", "firm.test", false),
            ("firm.github.io", "other.github.io", false),
            ("", "", false),
            ("", "firm.test", false),
        ] {
            assert_eq!(aligned(one, other), expected, "{one} {other}");
            assert_eq!(aligned(other, one), expected, "{other} {one}");
        }
    }
}
