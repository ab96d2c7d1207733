"""How many of something somebody may have."""

from core.quotas import Quota


def test_a_quota_counts_what_each_holds_and_forgets_who_holds_nothing() -> None:
    quota = Quota()
    assert [quota.enter("ada", 2) for _ in range(3)] == [True, True, False]
    assert quota.enter("bob", 2)
    quota.leave("ada")
    assert quota.enter("ada", 2)
    for name in ("ada", "ada", "bob"):
        quota.leave(name)
    assert len(quota) == 0
    assert not quota.enter("eve", 0)
    assert len(quota) == 0
