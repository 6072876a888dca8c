//! What the futures of a combinator borrow must outlive it.
use mainspring::group::race;

pub async fn race_outlives_its_data() -> usize {
    let race = {
        let text = String::from("short");
        race([async { text.len() }]) //~ E0597: `text` does not live long enough
    };
    race.await
}
