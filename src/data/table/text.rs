//! A file's bytes as text.

/// The text, and what is worth saying of it: UTF-8 (with or without its mark), UTF-16 with its mark, else Windows-1252, of
/// which ISO 8859-1 is a part.
///
/// # Errors
/// What the file is instead, and the remedy.
pub(super) fn text(bytes: &[u8]) -> Result<(String, Option<&'static str>), &'static str> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => return Err("is a spreadsheet or an archive; save the sheet as CSV"),
        [0x1f, 0x8b, ..] => return Err("is compressed; unpack it first"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => return Err("is an old spreadsheet; save the sheet as CSV"),
        [b'P', b'A', b'R', b'1', ..] => return Err("is a Parquet file; write it as CSV"),
        _ => {}
    }
    let (text, note) = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, _)) => {
            let (text, _, damaged) = encoding.decode(bytes);
            (text.into_owned(), damaged.then_some("has letters that are damaged"))
        }
        None => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_string(), None),
            Err(_) => {
                let (text, ..) = encoding_rs::WINDOWS_1252.decode(bytes);
                (text.into_owned(), Some("is not UTF-8; its letters are taken for Windows-1252"))
            }
        },
    };
    match text.contains('\0') {
        true => Err("has zero bytes: it is no text, or UTF-16 without its mark; save it as UTF-8"),
        false => Ok((text, note)),
    }
}
