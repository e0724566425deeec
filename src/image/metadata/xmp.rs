//! Numbers in an XMP packet that say how large a picture is and which way up.

/// Puts another whole number where a property of this name is written, as an attribute or an element.
pub(super) fn set(xmp: &mut Vec<u8>, name: &str, value: usize) {
    for (before, after) in [(format!("{name}=\""), b'"'), (format!("{name}='"), b'\''), (format!("<{name}>"), b'<')] {
        let mut from = 0;
        while let Some(at) = xmp[from..].windows(before.len()).position(|part| part == before.as_bytes()) {
            let begin = from + at + before.len();
            let length = xmp[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            from = begin;
            if length > 0 && xmp.get(begin + length) == Some(&after) {
                xmp.splice(begin..begin + length, value.to_string().bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_elements_and_nothing_else() {
        let mut xmp =
            b"<rdf:Description tiff:ImageWidth=\"40\" x=\"tiff:ImageWidth\"><tiff:ImageWidth>7</tiff:ImageWidth>"
                .to_vec();
        set(&mut xmp, "tiff:ImageWidth", 1234);
        let after =
            "<rdf:Description tiff:ImageWidth=\"1234\" x=\"tiff:ImageWidth\"><tiff:ImageWidth>1234</tiff:ImageWidth>";
        assert_eq!(String::from_utf8(xmp).unwrap(), after);
    }
}
