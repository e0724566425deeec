//! Matrix products, through the `gemm` crate.

use gemm::Parallelism;

use super::activation::Finish;
use super::parallel;
use super::real::Real;
use crate::graph::Shape;

/// `C = A B`, finished; `ta` and `tb` as in [`crate::graph::Op::MatMul`].
pub(super) fn matmul<T: Real>(c: &mut [T], shape: Shape, a: (&[T], Shape, bool), b: (&[T], bool), finish: &Finish<T>) {
    let ((m, n), (rows, columns)) = (shape.matrix().expect("checked"), a.1.matrix().expect("checked"));
    let k = if a.2 { rows } else { columns };
    let view = |data, width, transposed| match transposed {
        false => View { data, row: width, column: 1 },
        true => View { data, row: 1, column: width },
    };
    let left = view(a.0, columns, a.2);
    let right = view(b.0, if b.1 { k } else { n }, b.1);
    multiply((&mut *c, n), [m, n, k], left, right, false, Parallelism::Rayon(0));
    if !finish.is_none() {
        parallel::rows(c, n, |at, block| finish.apply(block, at, n));
    }
}

/// A matrix inside a buffer: element `(i, j)` stands at `i * row + j * column`. Rows may overlap.
#[derive(Clone, Copy)]
pub(super) struct View<'a, T> {
    pub data: &'a [T],
    pub row: usize,
    pub column: usize,
}

/// `C [m, n] = A [m, k] B [k, n]` or `C += A B`; rows of `C` stand `row` elements apart.
///
/// Each element is summed in an order that depends on `k` alone up to 512, whatever the threads do.
pub(super) fn multiply<T: Real>(
    c: (&mut [T], usize),
    [m, n, k]: [usize; 3],
    a: View<T>,
    b: View<T>,
    add: bool,
    parallelism: Parallelism,
) {
    let reach = |rows: usize, columns: usize, row: usize, column: usize| (rows - 1) * row + (columns - 1) * column;
    assert!(m > 0 && n > 0 && k > 0 && c.1 >= n, "an empty product");
    assert!(reach(m, n, c.1, 1) < c.0.len(), "C is too short");
    assert!(reach(m, k, a.row, a.column) < a.data.len(), "A is too short");
    assert!(reach(k, n, b.row, b.column) < b.data.len(), "B is too short");
    if n == 1 && a.column == 1 && b.row == 1 && matches!(parallelism, Parallelism::None) {
        // `gemm` picks among methods by `m` here, each of which sums in another order.
        for i in 0..m {
            let value = dot(&a.data[i * a.row..][..k], &b.data[..k]);
            let old = if add { c.0[i * c.1] } else { T::ZERO };
            c.0[i * c.1] = old + value;
        }
        return;
    }
    // SAFETY: the last element that each operand's strides reach was checked to lie inside its slice.
    unsafe {
        T::gemm(
            [m, n, k],
            (c.0.as_mut_ptr(), c.1),
            (a.data.as_ptr(), a.row, a.column),
            (b.data.as_ptr(), b.row, b.column),
            add,
            parallelism,
        );
    }
}

/// Sum of products, in sixteen lanes.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; 16];
    let (wide_a, wide_b) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: T = wide_a.remainder().iter().zip(wide_b.remainder()).map(|(&a, &b)| a * b).sum();
    for (a, b) in wide_a.zip(wide_b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.into_iter().sum::<T>() + rest
}
