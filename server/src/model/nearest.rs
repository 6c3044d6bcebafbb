//! What was probably meant by a name that nothing has.

/// Longest name that is compared, bytes: comparing is quadratic, and nobody misspells a longer one.
const MAX: usize = 256;

/// The candidate within a third of its length of `name`, or the one that `name` is the tail of.
pub fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if name.len() > MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let close = candidates
        .clone()
        .filter(|c| c.len() <= MAX)
        .map(|c| (strsim::osa_distance(&lower, &c.to_ascii_lowercase()), c))
        .filter(|(distance, c)| *distance <= (c.len() / 3).max(1) && *distance < c.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c);
    close.or_else(|| {
        let mut tails = candidates
            .filter(|c| c.strip_suffix(&lower).is_some_and(|head| head.ends_with(['_', '-', '.'])));
        tails.next().filter(|_| tails.next().is_none())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meant(name: &str) -> Option<&'static str> {
        nearest(name, ["command_nmap", "trello_boards_list", "trello_cards_list"].into_iter())
    }

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        assert_eq!(meant("trello_board_list"), Some("trello_boards_list"));
        assert_eq!(meant("Command_NMAP"), Some("command_nmap"));
        assert_eq!(meant("nmap"), Some("command_nmap"));
        for far in ["list", "something_else", ""] {
            assert_eq!(meant(far), None, "{far}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_name_is_not_compared() {
        let (fits, over) = ("a".repeat(MAX), "a".repeat(MAX + 1));
        assert_eq!(nearest(&fits, [fits.as_str()].into_iter()), Some(fits.as_str()));
        assert_eq!(nearest(&over, [fits.as_str()].into_iter()), None);
        assert_eq!(nearest(&fits, [over.as_str()].into_iter()), None);
    }

    proptest! {
        #[test]
        fn one_slip_in_a_longer_name_is_forgiven(name in "[a-z]{3,20}", at in 0_usize..20) {
            let at = at % name.len();
            let mut slip = name.clone();
            slip.replace_range(at..=at, "_");
            prop_assert_eq!(nearest(&slip, [name.as_str()].into_iter()), Some(name.as_str()));
        }
    }
}
