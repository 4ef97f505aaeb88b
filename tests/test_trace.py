from hypothesis import given
from hypothesis import strategies as st

from labkit.trace import Trace


def test_header_has_the_form_that_xray_documents() -> None:
    # AWS X-Ray developer guide, "Tracing header", sample with a parent.
    trace = Trace("1-5759e988-bd862e3fe1be46a994272793", 0x53995C3F42CD8AD8)
    assert trace.header == (
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    )


def test_a_new_trace_has_an_id_of_xrays_form() -> None:
    version, seconds, random = Trace.new().root.split("-")
    assert version == "1"
    assert len(seconds) == 8
    assert int(seconds, 16) > 1_700_000_000
    assert len(random) == 24
    assert int(random, 16) >= 0


@given(st.integers(min_value=1, max_value=2**64 - 1))
def test_what_is_written_is_read_again(cause: int) -> None:
    trace = Trace.new().after(cause)
    assert Trace.parse(trace.header) == trace


def test_a_trace_without_a_cause_stays_without_one() -> None:
    trace = Trace.new()
    assert Trace.parse(trace.header) == trace


@given(st.text())
def test_any_text_is_a_trace_or_none(header: str) -> None:
    parsed = Trace.parse(header)
    assert parsed is None or parsed.root


def test_self_and_lineage_fields_do_not_disturb() -> None:
    parsed = Trace.parse("Self=1-1-2; Root=1-67891233-abcdef012345678912345678; Lineage=a:b")
    assert parsed == Trace("1-67891233-abcdef012345678912345678")
