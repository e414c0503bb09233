//! Renders each clip once, not too many at the same time, and keeps the last few.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};

use super::{Clip, render};
use crate::config::Render;

/// A few megabytes each at most; one that was dropped is rendered again, to the same bytes.
const KEPT_FILMS: usize = 32;

type Film = Arc<OnceCell<Bytes>>;

/// Where clips become files.
#[derive(Debug)]
pub(crate) struct Studio {
    render: Render,
    /// One permit a core: encoding is all computing.
    seats: Semaphore,
    films: Mutex<VecDeque<(Clip, Film)>>,
}

impl Studio {
    pub(crate) fn new(render: Render) -> Self {
        let seats = Semaphore::new(available_parallelism().map_or(1, NonZero::get));
        Self { render, seats, films: Mutex::default() }
    }

    /// The file of a clip, rendered now unless it is at hand.
    pub(crate) async fn film(&self, clip: &Clip) -> Result<Bytes, String> {
        self.cell(clip).get_or_try_init(|| self.make(clip.clone())).await.cloned()
    }

    async fn make(&self, clip: Clip) -> Result<Bytes, String> {
        let _seat = self.seats.acquire().await.map_err(|err| err.to_string())?;
        let how = self.render;
        let made = tokio::task::spawn_blocking(move || render(&clip, how)).await;
        let file = made.map_err(|err| err.to_string())?.map_err(|err| err.to_string())?;
        Ok(Bytes::from(file))
    }

    fn cell(&self, clip: &Clip) -> Film {
        let mut films = self.films.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = films.iter().position(|(known, _)| known == clip)
            && let Some(entry) = films.remove(index)
        {
            films.push_back(entry);
        } else {
            films.push_back((clip.clone(), Film::default()));
        }
        if films.len() > KEPT_FILMS {
            films.pop_front();
        }
        films.back().map(|(_, film)| Arc::clone(film)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_clip;

    #[tokio::test]
    async fn the_same_clip_is_rendered_once() {
        let studio = Studio::new(Render::Flat);
        let clip = test_clip(752, 416, 6, "basic");
        let (first, second) = tokio::join!(studio.film(&clip), studio.film(&clip));
        let (first, second) = (first.expect("rendered"), second.expect("rendered"));
        assert_eq!(first.as_ptr(), second.as_ptr(), "the very same bytes, not a copy");
    }

    #[tokio::test]
    async fn only_the_last_few_are_kept() {
        let studio = Studio::new(Render::Flat);
        let first = test_clip(416, 416, 1, "basic");
        let made = studio.film(&first).await.expect("rendered");
        for number in 0..KEPT_FILMS {
            let clip = Clip { prompt: format!("clip {number}"), ..first.clone() };
            studio.film(&clip).await.expect("rendered");
        }
        let again = studio.film(&first).await.expect("rendered");
        assert_ne!(made.as_ptr(), again.as_ptr());
        assert!(made == again, "the same bytes when it is rendered again");
    }
}
