//! Pictures: decoding, colour, resizing, scores.
