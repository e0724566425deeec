//! What the decoder of PNM passes over: comments among plain numbers, and a second picture behind the first.

use super::{Message, NO_MEMORY};

/// A header: what the numbers are, and where they begin.
struct Header {
    kind: u8,
    width: usize,
    height: usize,
    /// Of a binary format.
    channels: usize,
    most: usize,
    begin: usize,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Header> {
        let [b'P', kind @ b'1'..=b'7', ..] = *bytes else { return None };
        let mut words = Words { bytes, at: 2 };
        if kind == b'7' {
            let (mut width, mut height, mut channels, mut most) = (0, 0, 0, 0);
            loop {
                match words.next()? {
                    b"ENDHDR" => break,
                    b"WIDTH" => width = words.number()?,
                    b"HEIGHT" => height = words.number()?,
                    b"DEPTH" => channels = words.number()?,
                    b"MAXVAL" => most = words.number()?,
                    _ => words.at += bytes.get(words.at..)?.iter().position(|&byte| byte == b'\n')?,
                }
            }
            return Some(Header { kind, width, height, channels, most, begin: words.at + 1 });
        }
        let (width, height) = (words.number()?, words.number()?);
        let most = if matches!(kind, b'1' | b'4') { 1 } else { words.number()? };
        let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
        Some(Header { kind, width, height, channels, most, begin: words.at + 1 })
    }

    /// Where a binary picture ends.
    fn end(&self) -> Option<usize> {
        let row = match self.kind {
            b'1'..=b'3' => return None,
            b'4' => self.width.div_ceil(8),
            _ => self.width.checked_mul(self.channels)?.checked_mul(if self.most > 255 { 2 } else { 1 })?,
        };
        self.begin.checked_add(row.checked_mul(self.height)?)
    }
}

/// The words of a header; a comment goes from # to the end of its line.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if byte == b'#' {
                self.at += self.bytes[self.at..].iter().position(|&byte| matches!(byte, b'\n' | b'\r'))?;
            } else if byte.is_ascii_whitespace() {
                self.at += 1;
            } else {
                break;
            }
        }
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'#').unwrap_or(rest.len());
        self.at += length;
        Some(&rest[..length])
    }

    fn number(&mut self) -> Option<usize> {
        std::str::from_utf8(self.next()?).ok()?.parse().ok()
    }
}

/// A plain picture without the comments among its numbers, if it has some.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn without_comments(bytes: &[u8]) -> Result<Option<Vec<u8>>, Message> {
    let Some(Header { kind: b'1'..=b'3', begin, .. }) = Header::of(bytes) else { return Ok(None) };
    let Some(numbers) = bytes.get(begin..).filter(|numbers| numbers.contains(&b'#')) else { return Ok(None) };
    let mut file = Vec::new();
    file.try_reserve_exact(bytes.len()).map_err(|_| NO_MEMORY.to_owned())?;
    file.extend_from_slice(&bytes[..begin]);
    let mut comment = false;
    for &byte in numbers {
        comment = (comment || byte == b'#') && !matches!(byte, b'\n' | b'\r');
        if !comment {
            file.push(byte);
        }
    }
    Ok(Some(file))
}

/// Whether another picture stands behind the first.
pub(super) fn is_followed(bytes: &[u8]) -> bool {
    let Some(header) = Header::of(bytes) else { return false };
    let rest = match header.end() {
        Some(end) => bytes.get(end..).unwrap_or_default(),
        // No number begins with a letter.
        None => {
            let begin = bytes.get(header.begin..).unwrap_or_default();
            begin.iter().position(|&byte| byte == b'P').map_or(&[][..], |at| &begin[at..])
        }
    };
    Header::of(rest.trim_ascii_start()).is_some_and(|next| next.width > 0 && next.height > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_comments_and_what_follows() {
        let binary = b"P5 # two\n2 1 255\nP5P5 1 1 255\n0";
        assert!(!is_followed(&binary[..19]) && !is_followed(b"P5 2 1 255\nP5"));
        assert!(is_followed(b"P5 2 1 255\nabP5 1 1 255\n0") && is_followed(b"P4 9 1\nab\nP1 1 1\n0"));
        assert!(is_followed(b"P2 1 1 9\n5\nP2 1 1 9\n5\n") && !is_followed(b"P2 1 1 9\n5\n"));
        let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\nab";
        assert!(!is_followed(pam) && is_followed(&[&pam[..], pam].concat()));
        assert_eq!(without_comments(b"P1 2 1\n1 # one\n0").unwrap().unwrap(), b"P1 2 1\n1 \n0");
        assert_eq!(without_comments(b"P1 2 1\n1 0").unwrap(), None);
        assert_eq!(without_comments(b"P4 2 1\n#").unwrap(), None);
    }
}
