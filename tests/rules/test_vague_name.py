import pytest

from keyaudit.model import Severity
from tests.builders import findings, key, only


@pytest.mark.parametrize(
    "name",
    [
        "Key 1",
        "test",
        "new key",
        "api key 2",
        "API_KEY",
        "my-test-key",
        "Test (1)",
        "key#3",
        "foo",
        "1234",
        "",
        "  key  ",
        "v2",
        "Copy of key",
        "apikey2",
    ],
)
def test_a_name_of_generic_words_alone_is_vague(name: str) -> None:
    (finding,) = findings("vague-name", key(name=name))
    assert Severity.INFO == finding.severity


@pytest.mark.parametrize(
    "name",
    [
        "Primary API Key",
        "Backup Key",
        "Staging Key",
        "Old Key 1",
        "test runner eu-west",
        "keystone",
        "contest",
        "Production deploy script",
        "Schlüssel",
        "キー",
        "key\nBilling",
    ],
)
def test_one_word_of_its_own_clears_a_name(name: str) -> None:
    assert [] == findings("vague-name", key(name=name))


def test_the_pattern_can_be_replaced_and_must_match_the_whole_name() -> None:
    policy = only("vague-name", pattern="x+|Billing")
    assert ["a", "b"] == [
        f.key_id
        for f in findings(
            "vague-name", key("a", "xx"), key("b", "Billing"), key("c", "Billing sync"), key("d", "test"), policy=policy
        )
    ]
