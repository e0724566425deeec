//! IDX files: what is read, and what is said of files that lie.

use crate::support::property;
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;
use wgrad::internal::data::idx;
use wgrad::internal::data::idx::Split;
use wgrad::internal::data::{Rows, Samples};

fn file(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parse(bytes: &[u8]) -> wgrad::Result<idx::Idx> {
    idx::parse(bytes, Path::new("some.idx"))
}

fn refused(bytes: &[u8], why: &str) {
    let message = parse(bytes).unwrap_err().to_string();
    assert!(message.contains("some.idx") && message.contains(why), "{message:?} should say {why:?}");
}

#[test]
fn plain_and_gzipped_files_read_alike() {
    let bytes = file(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let plain = parse(&bytes).unwrap();
    assert_eq!((&plain.shape[..], &plain.data[..]), (&[2, 1, 3][..], &[1, 2, 3, 4, 5, 6][..]));
    assert_eq!(parse(&gzip(&bytes)).unwrap(), plain);
}

#[test]
fn malformed_files_are_refused_with_the_reason() {
    let good = file(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    refused(b"", "ends inside its header");
    refused(&good[..9], "ends inside its header");
    refused(&good[..good.len() - 1], "truncated: 5 values of 6");
    refused(&[&good[..], &[0]].concat(), "goes on after its 6 values");
    refused(b"PNG\x00....", "no IDX file");
    refused(&[0, 0, 0x0d, 1, 0, 0, 0, 0], "type 0x0d");
    refused(&[0, 0, 8, 0], "no dimension");
    refused(&gzip(&good[..good.len() - 2]), "truncated");
    let zipped = gzip(&good);
    assert!(parse(&zipped[..zipped.len() / 2]).is_err(), "half a gzip file");
}

#[test]
fn a_lying_header_takes_no_memory() {
    refused(&file(&[u32::MAX, u32::MAX, u32::MAX, u32::MAX], &[]), "promises more than");
    // Just within the limit: 4 GB would be taken if the header were believed.
    refused(&file(&[u32::MAX], &[1, 2, 3]), "truncated: 3 values of 4294967295");
    refused(&file(&[0, u32::MAX, u32::MAX], &[7]), "goes on after its 0 values");
}

/// Whether a file is good does not depend on where a zero stands among its dimensions.
#[test]
fn a_dimension_of_zero_makes_no_values_wherever_it_stands() {
    for shape in [[2, 1 << 31, 0], [2, 0, 1 << 31], [0, 2, 1 << 31], [u32::MAX, u32::MAX, 0]] {
        let read = parse(&file(&shape, &[])).unwrap();
        assert_eq!((read.shape, read.data.len()), (shape.map(|size| size as usize).to_vec(), 0));
        refused(&file(&shape, &[7]), "goes on after its 0 values");
    }
    // 255 dimensions, as many as a header can promise.
    let mut shape = [u32::MAX; 255];
    refused(&file(&shape, &[]), "promises more than");
    shape[254] = 0;
    assert_eq!(parse(&file(&shape, &[])).unwrap().data.len(), 0);
}

proptest! {
    #![proptest_config(property::config(256))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_header_makes_it_panic(shape in prop::collection::vec(prop_oneof![0u32..5, any::<u32>()], 0..5),
                                data in prop::collection::vec(any::<u8>(), 0..130)) {
        let bytes = file(&shape, &data);
        let promised = shape.iter().map(|&size| u128::from(size)).product::<u128>();
        prop_assert_eq!(parse(&bytes).is_ok(), !shape.is_empty() && promised == data.len() as u128);
        let mut broken = gzip(&bytes);
        let at = data.len() % broken.len();
        broken[at] ^= 0x55;
        let _ = parse(&broken);
    }
}

/// A folder with one part of a dataset of two pictures of 2x1 pixels.
fn folder(images: &[u8], labels: &[u8], gz: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pack = |bytes: &[u8]| if gz.is_empty() { bytes.to_vec() } else { gzip(bytes) };
    std::fs::write(folder.path().join(format!("t10k-images-idx3-ubyte{gz}")), pack(images)).unwrap();
    std::fs::write(folder.path().join(format!("t10k-labels-idx1-ubyte{gz}")), pack(labels)).unwrap();
    folder
}

#[test]
fn a_folder_becomes_rows() {
    for gz in ["", ".gz"] {
        let folder = folder(&file(&[2, 2, 1], &[9, 8, 7, 6]), &file(&[2], &[3, 0]), gz);
        let expected = Rows {
            features: Samples::Bytes(vec![9, 8, 7, 6]),
            width: 2,
            targets: vec![3.0, 0.0],
            target_width: 1,
            classes: Some(4),
        };
        let rows = idx::load(folder.path(), Split::Test, None).unwrap();
        assert_eq!(rows, expected);
        rows.check().unwrap();
        assert_eq!(idx::load(folder.path(), Split::Test, Some(10)).unwrap().classes, Some(10));
        let message = idx::load(folder.path(), Split::Test, Some(3)).unwrap_err().to_string();
        assert!(message.contains("label 0 is 3, not a class of 0..3"), "{message}");
        let message = idx::load(folder.path(), Split::Train, None).unwrap_err().to_string();
        assert!(message.contains("train-images-idx3-ubyte"), "{message}");
    }
}

#[test]
fn pictures_and_labels_must_match() {
    let load = |images: &[u8], labels: &[u8]| {
        idx::load(folder(images, labels, "").path(), Split::Test, None).unwrap_err().to_string()
    };
    let images = file(&[2, 2, 1], &[9, 8, 7, 6]);
    assert!(load(&images, &file(&[3], &[0; 3])).contains("holds 2 pictures"));
    assert!(load(&images, &file(&[2, 1], &[0; 2])).contains("labels need 1"));
    assert!(load(&file(&[2], &[0; 2]), &file(&[2], &[0; 2])).contains("pictures need 2 or more"));
    assert!(load(&file(&[0, 2, 2], &[]), &file(&[0], &[])).contains("no pixel"));
}
