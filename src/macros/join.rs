//! Waiting for all of several futures.

/// Drives several futures at the same time, in this task, until each has its output; gives the outputs as a tuple.
///
/// For a few things that a task waits for together. They take turns on its thread: what shall run on several threads is
/// [spawned](crate::spawn), and the handles can be joined here.
///
/// Each poll begins with the next future in turn (in a simulation with one drawn from the seed), so that the poll budget is not
/// always used up by the same ones; `join!(biased; a, b)` keeps the order as written. A future is dropped as soon as it has its
/// output. All are inside the future that awaits the `join!`, which is as large as they and their outputs together.
///
/// # Cancellation
/// That of the futures: dropping what awaits this drops them all, and the outputs that are there already. A future may be given
/// by reference (`&mut future`), and then it goes on elsewhere.
///
/// # Panics
/// Where one of the futures does.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, sleep};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let start = Instant::now();
///     let second = async { sleep(Duration::from_secs(1)).await; "one" };
///     let minute = async { sleep(Duration::from_secs(60)).await; 60 };
///     assert_eq!(mainspring::join!(second, minute), ("one", 60));
///     assert_eq!(start.elapsed(), Duration::from_secs(60), "not 61");
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! join {
    (biased; $($futures:tt)*) => { $crate::__join!(@parse (join) (biased) () $($futures)*) };
    ($($futures:tt)*) => { $crate::__join!(@parse (join) (rotating) () $($futures)*) };
}

/// As [`join!`](crate::join!), for futures whose output is a `Result`: gives `Ok` with the values, or the first error.
///
/// # Cancellation
/// As that of [`join!`](crate::join!). And the first error cancels: the other futures are dropped then, with the values that
/// are there already. What has been spawned runs on; only its handle is dropped.
///
/// # Errors
/// The first error of a future. All of them have the same type.
///
/// # Panics
/// Where one of the futures does.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let good = async { Ok::<_, String>(1) };
///     assert_eq!(mainspring::try_join!(good, async { Ok("a") }), Ok((1, "a")));
///
///     let never = std::future::pending::<Result<(), String>>();
///     assert_eq!(mainspring::try_join!(never, async { Err::<(), _>("no".to_owned()) }), Err("no".to_owned()));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! try_join {
    (biased; $($futures:tt)*) => { $crate::__join!(@parse (try_join) (biased) () $($futures)*) };
    ($($futures:tt)*) => { $crate::__join!(@parse (try_join) (rotating) () $($futures)*) };
}

/// Both: names the futures one by one (P1), then drives them.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    (@parse $kind:tt $order:tt ($($named:tt)*) $future:expr, $($more:tt)*) => {
        $crate::__join!(@parse $kind $order ($($named)* { future output ($future) }) $($more)*)
    };
    (@parse $kind:tt $order:tt ($($named:tt)*) $future:expr) => {
        $crate::__join!(@drive $kind $order $($named)* { future output ($future) })
    };
    (@parse (join) $order:tt ()) => { () };
    (@parse (try_join) $order:tt ()) => { ::core::compile_error!("`try_join!` of nothing has no error type: name a future") };
    (@parse $kind:tt $order:tt ($($named:tt)*)) => { $crate::__join!(@drive $kind $order $($named)*) };
    (@parse ($kind:ident) $order:tt $named:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($kind), "!` wants futures with a comma between them; it stopped at `",
            ::core::stringify!($($rest)*), "`"
        ))
    };

    (@drive $kind:tt ($order:ident) $({ $future:ident $output:ident ($value:expr) })+) => {{
        $(
            let mut $future =
                ::core::pin::pin!(::core::option::Option::Some(::core::future::IntoFuture::into_future($value)));
            let mut $output = ::core::option::Option::None;
        )+
        let mut turn = $crate::macros::support::Turn::$order();
        let outputs = ::core::future::poll_fn(move |cx| {
            let mut waits = false;
            let start = turn.take($crate::__join!(@count $($future)+));
            for lap in 0..2 {
                let mut index = 0;
                $(
                    if $crate::macros::support::is_next(index, start, lap) {
                        waits |= $crate::__join!(@advance $kind $future $output cx);
                    }
                    index += 1;
                )+
                let _ = index;
            }
            if waits {
                return ::core::task::Poll::Pending;
            }
            $crate::__join!(@outputs $kind $($output)+)
        })
        .await;
        outputs
    }};
    (@count $($future:ident)+) => { [$(::core::stringify!($future)),+].len() };

    (@advance (join) $future:ident $output:ident $cx:ident) => {
        $crate::macros::support::advance($future.as_mut(), &mut $output, $cx)
    };
    (@advance (try_join) $future:ident $output:ident $cx:ident) => {
        match $crate::macros::support::try_advance($future.as_mut(), &mut $output, $cx) {
            ::core::result::Result::Ok(waits) => waits,
            ::core::result::Result::Err(error) => return ::core::task::Poll::Ready(::core::result::Result::Err(error)),
        }
    };

    (@outputs (join) $($output:ident)+) => {
        ::core::task::Poll::Ready(($($output.take().expect("nobody waits, so each has its output"),)+))
    };
    (@outputs (try_join) $($output:ident)+) => {
        ::core::task::Poll::Ready(::core::result::Result::Ok(
            ($($output.take().expect("nobody waits, so each has its value"),)+)
        ))
    };
}
