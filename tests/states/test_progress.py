import pytest

from labkit.states.progress import Progress


def at(state, data=None):
    progress = Progress()
    progress.goes_on(state, data)
    return progress


@pytest.mark.behaviour("states.executions.redrive")
def test_execution_goes_on_with_the_state_that_came_next_last():
    progress = at("A", {"o": 1})
    progress.goes_on("B", 2)
    again = progress.again()
    assert (again.state, again.data, again.is_done) == ("B", 2, False)


def test_execution_that_had_not_begun_begins():
    assert Progress().again().state is None


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_branches_go_on_from_where_each_of_them_was():
    progress = at("P")
    progress.starts()
    progress.part("A").ends("result")
    progress.part("B").goes_on("B2", 2)
    again = progress.again()
    again.starts()
    done, failed, new = again.part("A"), again.part("B"), again.part("C")
    assert (done.is_done, done.data) == (True, "result")
    assert (failed.is_done, failed.state, failed.data) == (False, "B2", 2)
    assert (new.is_done, new.state) == (False, None)


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_next_attempt_at_a_state_begins_all_of_it_anew():
    progress = at("P")
    progress.starts()
    progress.part(0).ends("old")
    again = progress.again()
    again.starts()
    again.starts()
    assert not again.part(0).is_done


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_what_was_done_earlier_is_kept_until_the_state_has_started():
    progress = at("M")
    progress.starts()
    progress.part(7).ends("kept")
    twice = progress.again().again()  # the first did not come to start its iterations
    twice.starts()
    assert twice.part(7).data == "kept"


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_iterations_that_did_not_get_their_turn_are_kept_for_the_next_time():
    progress = at("M")
    progress.starts()
    progress.part(0).goes_on("N", 0)
    progress.part(1).ends("kept")
    again = progress.again()
    again.starts()
    again.part(0).goes_on("N", 0)  # it fails at once
    twice = again.again()
    twice.starts()
    assert twice.part(1).data == "kept"


@pytest.mark.behaviour("states.executions.redrive-branches")
@pytest.mark.parametrize(
    "leave", [lambda one: one.goes_on("P", 2), lambda one: one.ends(2)], ids=["goes on", "ends"]
)
def test_state_that_was_left_leaves_nothing_behind(leave):
    progress = at("P")
    progress.starts()
    progress.part("A").ends(1)
    again = progress.again()
    leave(again)
    again.starts()
    assert not again.part("A").is_done


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_threads_of_the_execution_as_it_was_change_nothing():
    progress = at("P")
    progress.starts()
    late = progress.part("A")
    late.goes_on("A1", 1)
    again = progress.again()
    late.ends("too late")
    progress.part("B").ends("too late")
    again.starts()
    assert (again.part("A").state, again.part("B").is_done) == ("A1", False)
