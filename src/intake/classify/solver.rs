//! Learns one linear separator: a support vector machine with squared hinge loss, solved in its dual by coordinate
//! descent. Fixed order and a fixed number of rounds: the same data give the same weights. Knows numbers alone.

/// Rows of sparse numbers: for each row the columns and their values.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    pub rows: Vec<Vec<(u32, f32)>>,
    pub columns: usize,
}

/// Weights of the columns, and the bias behind them.
pub struct Separator {
    pub weights: Vec<f32>,
    pub bias: f32,
}

const ROUNDS: usize = 25;

/// Separates the rows named in `among` for which `is` holds from the others; `cost` says what an error costs in a row.
pub fn separate(
    matrix: &Matrix,
    among: &[usize],
    is: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f32,
) -> Separator {
    struct Item<'a> {
        row: &'a [(u32, f32)],
        sign: f32,
        /// Half the inverse cost: the dual's diagonal.
        slack: f32,
        square: f32,
        alpha: f32,
    }
    let mut items: Vec<Item<'_>> = among
        .iter()
        .filter_map(|at| {
            let row = matrix.rows.get(*at)?;
            let slack = 0.5 / cost(*at).max(1e-6);
            let square = 1.0 + slack + row.iter().map(|(_, value)| value * value).sum::<f32>();
            let sign = if is(*at) { 1.0 } else { -1.0 };
            Some(Item { row, sign, slack, square, alpha: 0.0 })
        })
        .collect();
    let mut weights = vec![0f32; matrix.columns];
    let mut bias = 0f32;
    let mut order: Vec<usize> = (0..items.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..ROUNDS {
        for left in (1..order.len()).rev() {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            order.swap(left, (random >> 33) as usize % (left + 1));
        }
        for at in &order {
            let Some(item) = items.get_mut(*at) else { continue };
            let score = bias
                + item
                    .row
                    .iter()
                    .filter_map(|(column, value)| weights.get(*column as usize).map(|weight| weight * value))
                    .sum::<f32>();
            let gradient = item.sign * score - 1.0 + item.slack * item.alpha;
            let alpha = (item.alpha - gradient / item.square).max(0.0);
            let step = (alpha - item.alpha) * item.sign;
            if step != 0.0 {
                item.alpha = alpha;
                bias += step;
                for (column, value) in item.row {
                    if let Some(weight) = weights.get_mut(*column as usize) {
                        *weight += step * value;
                    }
                }
            }
        }
    }
    Separator { weights, bias }
}

/// Logistic regression on few columns by Newton's method with a light ridge: offset first, then a factor for each
/// column. `weight` says how much a row counts.
pub fn logistic<const N: usize>(rows: &[([f64; N], bool)], weight: impl Fn(bool) -> f64) -> Vec<f64> {
    let size = N + 1;
    let mut beta = vec![0f64; size];
    for _ in 0..30 {
        let mut gradient = vec![0f64; size];
        let mut hessian = vec![vec![0f64; size]; size];
        for (values, is) in rows {
            let x: Vec<f64> = std::iter::once(1.0).chain(values.iter().copied()).collect();
            let z: f64 = x.iter().zip(&beta).map(|(a, b)| a * b).sum();
            let p = 1.0 / (1.0 + (-z).exp());
            let w = weight(*is);
            for ((g, row), a) in gradient.iter_mut().zip(&mut hessian).zip(&x) {
                *g += w * (p - f64::from(u8::from(*is))) * a;
                for (h, b) in row.iter_mut().zip(&x) {
                    *h += w * p * (1.0 - p) * a * b;
                }
            }
        }
        for (at, ((g, row), b)) in gradient.iter_mut().zip(&mut hessian).zip(&beta).enumerate() {
            let ridge = if at == 0 { 1e-6 } else { 0.5 };
            *g += ridge * b;
            if let Some(diagonal) = row.get_mut(at) {
                *diagonal += ridge;
            }
        }
        for (b, step) in beta.iter_mut().zip(solved(hessian, gradient)) {
            *b -= step.clamp(-3.0, 3.0);
        }
    }
    beta
}

/// Gauss elimination of a small positive definite system.
fn solved(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for at in 0..size {
        let (Some(pivot_row), Some(pivot_right)) = (matrix.get(at).cloned(), right.get(at).copied()) else {
            continue;
        };
        let pivot = pivot_row.get(at).copied().unwrap_or(1.0);
        for other in (0..size).filter(|other| *other != at) {
            let Some(row) = matrix.get_mut(other) else { continue };
            let factor = row.get(at).copied().unwrap_or(0.0) / pivot;
            for (cell, above) in row.iter_mut().zip(&pivot_row) {
                *cell -= factor * above;
            }
            if let Some(cell) = right.get_mut(other) {
                *cell -= factor * pivot_right;
            }
        }
    }
    right
        .iter()
        .enumerate()
        .map(|(at, value)| value / matrix.get(at).and_then(|row| row.get(at)).copied().unwrap_or(1.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_separated_is() {
        let rows = vec![vec![(0, 1.0)], vec![(0, 1.0), (1, 0.5)], vec![(1, 1.0)], vec![(1, 1.0), (2, 0.3)]];
        let matrix = Matrix { rows, columns: 3 };
        let separator = separate(&matrix, &[0, 1, 2, 3], |at| at < 2, |_| 10.0);
        let score = |at: usize| -> f32 {
            separator.bias
                + matrix.rows[at].iter().map(|(c, v)| separator.weights[*c as usize] * v).sum::<f32>()
        };
        assert!(score(0) > 0.5 && score(1) > 0.5 && score(2) < -0.5 && score(3) < -0.5);
    }

    #[test]
    fn logistic_regression_finds_the_odds() {
        // Of rows with 1 three in four are true, of rows with 0 one in four.
        let rows: Vec<([f64; 1], bool)> = (0..4000)
            .map(|n| ([f64::from(n % 2)], if n % 2 == 1 { n % 8 != 1 } else { n % 8 == 0 }))
            .collect();
        let beta = logistic(&rows, |_| 1.0);
        let p = |x: f64| 1.0 / (1.0 + (-(beta[0] + beta[1] * x)).exp());
        assert!((p(1.0) - 0.75).abs() < 0.01 && (p(0.0) - 0.25).abs() < 0.01, "{beta:?}");
    }
}
