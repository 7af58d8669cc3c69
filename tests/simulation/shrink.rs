//! The shortest script that still shows a difference.

/// Removes pieces from `all` while the rest still fails: halves first, single items last. Returns the rest and its error.
///
/// # Panics
///
/// If `all` does not fail.
pub fn shortest<T: Clone>(mut all: Vec<T>, fails: &dyn Fn(&[T]) -> Option<String>) -> (Vec<T>, String) {
    let mut error = fails(&all).expect("it fails as a whole");
    let mut piece = all.len().div_ceil(2);
    while piece > 0 {
        let (mut from, mut is_shorter) = (0, false);
        while from < all.len() {
            let without: Vec<T> = [&all[..from], &all[(from + piece).min(all.len())..]].concat();
            match fails(&without) {
                Some(other) => (all, error, is_shorter) = (without, other, true),
                None => from += piece,
            }
        }
        // A piece that was needed can become removable after others are removed.
        piece = if is_shorter && piece == 1 { 1 } else { piece / 2 };
    }
    (all, error)
}
