//! A command's output as text that is safe to read: no byte of it can steer a terminal.

/// `bytes` as at most `max` bytes of text, and whether something did not fit. What is no UTF-8 is
/// U+FFFD; of a line that was written over by carriage returns the last writing stays; control
/// characters but newline and tab (C0, DEL, C1: ECMA-48) are shown as escapes.
pub fn readable(bytes: &[u8], max: usize) -> (String, bool) {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len().min(max));
    for line in text.split_inclusive('\n') {
        let (body, end) = match line.strip_suffix('\n') {
            Some(body) => (body, "\n"),
            None => (line, ""),
        };
        for c in last_writing(body).chars().chain(end.chars()) {
            let before = out.len();
            match c {
                '\n' | '\t' => out.push(c),
                c if c.is_control() => out.extend(c.escape_default()),
                c => out.push(c),
            }
            if out.len() > max {
                out.truncate(before);
                return (out, true);
            }
        }
    }
    (out, false)
}

/// The same for the end of a text that began earlier: its last `max` bytes, from a whole character
/// on.
pub fn readable_end(bytes: &[u8], max: usize) -> String {
    // Bytes of a character whose beginning is not there (UTF-8, RFC 3629).
    let rest = bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    let (text, _) = readable(bytes.get(rest..).unwrap_or_default(), usize::MAX);
    let over = text.len().saturating_sub(max);
    let from = (over..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text.get(from..).unwrap_or_default().to_owned()
}

fn last_writing(line: &str) -> &str {
    line.rsplit('\r').find(|piece| !piece.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> String {
        readable(bytes, usize::MAX).0
    }

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(shown(b"\x1b[31mred\x1b[0m\n"), "\\u{1b}[31mred\\u{1b}[0m\n");
        assert_eq!(shown("\u{9b}2J\u{7f}\0".as_bytes()), "\\u{9b}2J\\u{7f}\\u{0}");
        assert_eq!(shown("gr\u{fc}n\ttab\n".as_bytes()), "gr\u{fc}n\ttab\n");
    }

    #[test]
    fn of_a_progress_line_the_last_state_stays() {
        assert_eq!(shown(b"10%\r50%\r100%\ndone\n"), "100%\ndone\n");
        assert_eq!(shown(b"10%\r100%\r"), "100%");
        assert_eq!(shown(b"dos\r\nlines\r\n\r\n"), "dos\nlines\n\n");
    }

    #[test]
    fn what_is_no_utf8_is_replaced() {
        assert_eq!(shown(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn an_end_begins_with_a_whole_character() {
        assert_eq!(readable_end(&"\u{20ac}b".as_bytes()[1..], 9), "b");
        assert_eq!(readable_end("a\u{20ac}b".as_bytes(), 3), "b");
        assert_eq!(readable_end("a\u{20ac}b".as_bytes(), 4), "\u{20ac}b");
        assert_eq!(readable_end(b"", 4), "");
    }

    #[test]
    fn a_text_ends_at_the_limit_on_a_character() {
        assert_eq!(readable("ab\u{20ac}".as_bytes(), 4), ("ab".into(), true));
        assert_eq!(readable("ab\u{20ac}".as_bytes(), 5), ("ab\u{20ac}".into(), false));
        assert_eq!(readable(b"a\x1b", 3), ("a".into(), true));
    }

    proptest! {
        #[test]
        fn no_bytes_leave_a_control_character_or_pass_the_limit(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), max in 0_usize..100,
        ) {
            let (text, _) = readable(&bytes, max);
            prop_assert!(text.len() <= max);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }
    }
}
