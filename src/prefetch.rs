//! prefetch: a hint to the processor, so that cache misses overlap.

/// Requests the cache line at `address`, which may be any address, valid or not.
#[inline(always)]
pub(crate) fn prefetch<P>(address: *const P) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not access memory as far as the program sees; the processor ignores an unmapped address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
