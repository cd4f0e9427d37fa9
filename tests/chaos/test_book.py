"""Books: what is known of additions, and since when everything goes on again."""

from __future__ import annotations

from sumflow.chaos.book import Book, Sample, accepted_again, counted_again, longest_gap


def _book(*answers: tuple[float, float]) -> Book:
    book = Book("named-0", 100)
    for began_s, answered_s in answers:
        book.take(1)
        book.acknowledge(began_s, answered_s, 1)
    return book


def test_what_is_uncertain_is_not_known() -> None:
    """Of what was sent, all that is not uncertain was acknowledged."""
    book = Book("plain-0", 100)
    assert book.take(3) == range(100, 103)
    book.uncertain.add(101)
    assert list(book.known()) == [100, 102]


def test_accepting_goes_on_when_every_client_was_answered_to_something_new() -> None:
    """An answer to what was begun before the moment does not count, and the last client decides."""
    quick, slow = _book((0.0, 0.1), (1.0, 1.1)), _book((0.0, 2.0), (2.1, 2.3))
    assert accepted_again([quick, slow], 0.5) == 2.3
    assert accepted_again([quick, slow], 1.05) is None
    assert accepted_again([quick], 0.9) == 1.1


def test_the_longest_gap_is_between_answers_of_anybody() -> None:
    """Gaps are those of all clients together; the time to the end of the load is one too."""
    books = [_book((0.0, 0.1), (0.1, 0.5)), _book((0.0, 0.3), (0.3, 3.0))]
    assert longest_gap(books, 3.5) == 2.5
    assert longest_gap(books, 9.0) == 6.0
    assert longest_gap([Book("plain-0", 1)], 4.0) == 4.0


def test_counting_goes_on_when_the_total_has_what_was_acknowledged() -> None:
    """Looks before the moment, looks without an answer and smaller totals do not count."""
    samples = [Sample(1.0, 50, 50), Sample(2.0, 60, None), Sample(3.0, 70, 49), Sample(4.0, 80, 55)]
    assert counted_again(samples, 1.5, 50) == 4.0
    assert counted_again(samples, 1.5, 56) is None
