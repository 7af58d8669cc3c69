//! prefetch: one hint to the processor, so that misses to memory overlap.

/// Asks the memory for a cache line. The address may be anything.
#[inline(always)]
pub(crate) fn prefetch<P>(address: *const P) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing; an address that is not mapped is ignored by the processor.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
