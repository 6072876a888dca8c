//! Waiting for the first of several futures.

/// Waits for several futures in this task, runs the handler of the first that is ready, and drops the others.
///
/// ```text
/// select! {
///     biased;                                        // optional: look in the order as written
///     pattern = future => handler,
///     pattern = future, if precondition => handler,  // up to 64 of these
///     else => handler,                               // optional, the last
/// }
/// ```
///
/// For a loop that serves several sources, for a wait that something may cut short, for a race of two ways. Whoever only needs a
/// limit of time has [`timeout`](crate::time::timeout()).
///
/// 1. The preconditions are evaluated, all of them, and then the future expressions, all of them: also that of a branch whose
///    precondition does not hold. Such a branch is only not polled.
/// 2. The futures are polled, in turn from one that is drawn anew each time, so that a branch which is always ready does not
///    starve its neighbours. In a simulation it is drawn from the seed; elsewhere from numbers that differ from poll to poll.
/// 3. An output that its pattern does not fit is dropped, and its branch is out of the game for the rest of this `select!`.
/// 4. The first output that fits ends it. Every future is dropped, the losers in the middle of what they do; then the handler
///    runs, which may use what the futures had borrowed, and may use `?`, `return`, `break`, `continue` and `.await`.
/// 5. If all branches are out, `else` runs.
///
/// The value is that of the handler. Everything runs in this task: while a handler runs, no branch is polled. Each `select!`
/// that completes costs a unit of the poll budget.
///
/// # Cancellation
/// The losers are dropped, so what that costs is what their documentation says: a **Strict** operation has lost nothing and can
/// simply be called again in the next round of a loop, a **Lossy** one may have lost what it was doing. What must go on over
/// several rounds is made before the loop, pinned, and given by reference (`&mut future`); then only the reference is dropped.
/// Dropping what awaits the `select!` drops all futures.
///
/// # Panics
/// If all branches are out and there is no `else`; and where a future does.
///
/// # Examples
/// A loop with a deadline over all of its rounds:
/// ```
/// use mainspring::time::{Duration, interval, sleep};
/// use std::pin::pin;
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let count = runtime.block_on(async {
///     let mut ticks = interval(Duration::from_secs(1));
///     let mut end = pin!(sleep(Duration::from_millis(4_500)));
///     let mut count = 0;
///     loop {
///         mainspring::select! {
///             _ = ticks.tick() => count += 1,
///             () = &mut end => break count,
///         }
///     }
/// });
/// assert_eq!(count, 5, "at 0, 1, 2, 3 and 4 seconds");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Patterns and preconditions, until both sources are dry:
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let (mut small, mut large) = (vec![1, 2, 3], vec![100, 200]);
///     let mut sum = 0;
///     loop {
///         mainspring::select! {
///             Some(n) = async { small.pop() } => sum += n,
///             Some(n) = async { large.pop() }, if sum < 1_000 => sum += n,
///             else => break sum,
///         }
///     }
/// });
/// assert_eq!(sum, 306);
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! select {
    () => { ::core::compile_error!("`select!` needs a branch: `pattern = future => handler`") };
    (biased; $($branches:tt)*) => { $crate::__select!(@number (biased) $($branches)*) };
    (biased $($branches:tt)*) => { ::core::compile_error!("`select!` wants a semicolon here: `biased;`") };
    ($($branches:tt)*) => { $crate::__select!(@number (drawn) $($branches)*) };
}

/// Reads the branches one by one, naming each (P1), and then expands to what drives them.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@number $order:tt $($branches:tt)*) => {
        $crate::__select!(@parse $order () [
            [0 B0] [1 B1] [2 B2] [3 B3] [4 B4] [5 B5] [6 B6] [7 B7] [8 B8] [9 B9] [10 B10] [11 B11] [12 B12] [13 B13] [14 B14]
            [15 B15] [16 B16] [17 B17] [18 B18] [19 B19] [20 B20] [21 B21] [22 B22] [23 B23] [24 B24] [25 B25] [26 B26] [27 B27]
            [28 B28] [29 B29] [30 B30] [31 B31] [32 B32] [33 B33] [34 B34] [35 B35] [36 B36] [37 B37] [38 B38] [39 B39] [40 B40]
            [41 B41] [42 B42] [43 B43] [44 B44] [45 B45] [46 B46] [47 B47] [48 B48] [49 B49] [50 B50] [51 B51] [52 B52] [53 B53]
            [54 B54] [55 B55] [56 B56] [57 B57] [58 B58] [59 B59] [60 B60] [61 B61] [62 B62] [63 B63]
        ] $($branches)*)
    };

    // The end.
    (@parse $order:tt () $numbers:tt) => { $crate::select!() };
    (@parse $order:tt ($($named:tt)*) $numbers:tt) => {
        $crate::__select!(@drive $order (::core::panic!(
            "every branch of this `select!` is out, and it has no `else`: add one, or see why nothing fits"
        )) $($named)*)
    };
    (@parse $order:tt () $numbers:tt else => $otherwise:expr $(,)?) => { $otherwise };
    (@parse $order:tt ($($named:tt)*) $numbers:tt else => $otherwise:expr $(,)?) => {
        $crate::__select!(@drive $order ($otherwise) $($named)*)
    };
    (@parse $order:tt $named:tt $numbers:tt else $($rest:tt)*) => {
        ::core::compile_error!("in `select!` the last branch is `else => handler`, and nothing follows it")
    };
    (@parse $order:tt $named:tt [] $($rest:tt)*) => {
        ::core::compile_error!("a `select!` has at most 64 branches: put some into an `async` block with a `select!` of its own")
    };

    // A branch whose handler is a block, which may do without a comma, and one whose handler is another expression.
    (@parse $order:tt ($($named:tt)*) [$at:tt $($numbers:tt)*]
        $pattern:pat = $future:expr, if $enabled:expr => { $($handler:tt)* }, $($rest:tt)*
    ) => {
        $crate::__select!(@parse $order ($($named)* { future $at _ ($pattern) ($future) ($enabled) ({ $($handler)* }) }) [$($numbers)*] $($rest)*)
    };
    (@parse $order:tt ($($named:tt)*) [$at:tt $($numbers:tt)*] $pattern:pat = $future:expr => { $($handler:tt)* }, $($rest:tt)*) => {
        $crate::__select!(@parse $order ($($named)* { future $at _ ($pattern) ($future) (true) ({ $($handler)* }) }) [$($numbers)*] $($rest)*)
    };
    (@parse $order:tt ($($named:tt)*) [$at:tt $($numbers:tt)*]
        $pattern:pat = $future:expr, if $enabled:expr => { $($handler:tt)* } $($rest:tt)*
    ) => {
        $crate::__select!(@parse $order ($($named)* { future $at _ ($pattern) ($future) ($enabled) ({ $($handler)* }) }) [$($numbers)*] $($rest)*)
    };
    (@parse $order:tt ($($named:tt)*) [$at:tt $($numbers:tt)*] $pattern:pat = $future:expr => { $($handler:tt)* } $($rest:tt)*) => {
        $crate::__select!(@parse $order ($($named)* { future $at _ ($pattern) ($future) (true) ({ $($handler)* }) }) [$($numbers)*] $($rest)*)
    };
    (@parse $order:tt ($($named:tt)*) [$at:tt $($numbers:tt)*]
        $pattern:pat = $future:expr, if $enabled:expr => $handler:expr $(, $($rest:tt)*)?
    ) => {
        $crate::__select!(@parse $order ($($named)* { future $at _ ($pattern) ($future) ($enabled) ($handler) }) [$($numbers)*] $($($rest)*)?)
    };
    (@parse $order:tt ($($named:tt)*) [$at:tt $($numbers:tt)*] $pattern:pat = $future:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@parse $order ($($named)* { future $at _ ($pattern) ($future) (true) ($handler) }) [$($numbers)*] $($($rest)*)?)
    };

    // None of these: say what is wrong with it.
    (@parse $order:tt $named:tt $numbers:tt $pattern:pat => $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "this branch of `select!` names no future: write `", ::core::stringify!($pattern), " = future => handler`"
        ))
    };
    (@parse $order:tt $named:tt $numbers:tt $pattern:pat = $future:expr, if $enabled:expr) => {
        ::core::compile_error!("this branch of `select!` has no handler: write `pattern = future, if precondition => handler`")
    };
    (@parse $order:tt $named:tt $numbers:tt $pattern:pat = $future:expr $(, $($rest:tt)*)?) => {
        ::core::compile_error!("this branch of `select!` has no handler: write `pattern = future => handler`")
    };
    (@parse $order:tt $named:tt $numbers:tt $pattern:pat if $($rest:tt)*) => {
        ::core::compile_error!("in `select!` the precondition follows the future: `pattern = future, if precondition => handler`")
    };
    (@parse $order:tt $named:tt $numbers:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "a branch of `select!` is `pattern = future => handler`, with a comma after a handler that is no block; it stopped at `",
            ::core::stringify!($($rest)*), "`"
        ))
    };

    (@drive $order:tt ($otherwise:expr) $({
        $future:ident [$index:tt $variant:ident] $inferred:tt ($pattern:pat) ($value:expr) ($enabled:expr) ($handler:expr)
    })+) => {{
        let output = {
            let mut disabled = $crate::macros::support::disabled([$($enabled),+]);
            $( let mut $future = ::core::pin::pin!(::core::future::IntoFuture::into_future($value)); )+
            #[allow(unused_variables, unused_mut, unused_assignments, clippy::all, reason = "patterns that only ask (P3)")]
            let output: $crate::macros::support::Chosen<$($inferred),+> = ::core::future::poll_fn(move |cx| {
                ::core::task::ready!($crate::macros::support::begin(cx));
                let mut waits = false;
                let start = $crate::__select!(@start $order $($index)+);
                for lap in 0..2 {
                    $(
                        if $crate::macros::support::is_next($index, start, lap) && disabled & (1 << $index) == 0 {
                            match ::core::future::Future::poll($future.as_mut(), cx) {
                                ::core::task::Poll::Pending => waits = true,
                                ::core::task::Poll::Ready(mut output) => {
                                    disabled |= 1 << $index;
                                    let mut fits = false;
                                    match output {
                                        $pattern if { fits = true; false } => ::core::unreachable!("the guard says no"),
                                        _ => {}
                                    }
                                    if fits {
                                        return ::core::task::Poll::Ready($crate::macros::support::Chosen::$variant(output));
                                    }
                                }
                            }
                        }
                    )+
                }
                if waits {
                    $crate::macros::support::refund();
                    return ::core::task::Poll::Pending;
                }
                ::core::task::Poll::Ready($crate::macros::support::Chosen::Nobody)
            })
            .await;
            output
        };
        #[allow(unused_mut, reason = "a pattern may bind by `ref mut`")]
        let mut output = output;
        match output {
            $( $crate::macros::support::Chosen::$variant($pattern) => $handler, )+
            $crate::macros::support::Chosen::Nobody => $otherwise,
            #[allow(unreachable_patterns, reason = "unless a pattern can fail to fit, and those outputs were dropped")]
            _ => ::core::unreachable!("the output has fitted its pattern"),
        }
    }};
    (@start (biased) $($index:tt)+) => { 0 };
    (@start (drawn) $($index:tt)+) => { $crate::macros::support::draw([$($index),+].len()) };
}
