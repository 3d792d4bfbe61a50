//! The allocator of the service's programs: mimalloc, asked in the way that is quick.
//!
//! A lane allocates on one thread what others free: with the C library's allocator the orchestrator
//! takes a quarter more processor time. The crate `mimalloc` asks for an alignment with each
//! allocation; mimalloc 3 then gives a larger block unless one of just the right size happens to be
//! at hand, and looks for its beginning when it is freed. Nearly all of ours need the alignment that
//! every block has.

#![allow(
    unsafe_code,
    reason = "an allocator is unsafe to be, and mimalloc is a C library"
)]

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// What every block of mimalloc is aligned to, in bytes: a word.
const EVERY_BLOCK: usize = size_of::<usize>();

/// mimalloc, for `#[global_allocator]` in the program that links the orchestrator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mimalloc;

// SAFETY: mimalloc's functions are those of C: a block has at least the size that is asked for, keeps
// its content when it is made larger, belongs to the caller until it is freed, and may be freed on
// any thread; without memory they give null. Blocks are aligned to a word, or, by the functions that
// take one, to the alignment that is asked for; all of them are freed by `mi_free`.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: an alignment is a power of two; nothing else is asked of the arguments.
        unsafe {
            if align <= EVERY_BLOCK {
                mi_malloc(size).cast()
            } else {
                mi_malloc_aligned(size, align).cast()
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as in `alloc`.
        unsafe {
            if align <= EVERY_BLOCK {
                mi_zalloc(size).cast()
            } else {
                mi_zalloc_aligned(size, align).cast()
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller has it from this allocator.
        unsafe { mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: the caller has `block` from this allocator, with this alignment.
        unsafe {
            if align <= EVERY_BLOCK {
                mi_realloc(block.cast(), size).cast()
            } else {
                mi_realloc_aligned(block.cast(), size, align).cast()
            }
        }
    }
}
