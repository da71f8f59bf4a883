"""Swagger UI at /docs: it shows every address, obeys the policy of all other pages, and writes in the reader's name."""

from typing import Any

from tests.browser.conftest import Reader


def test_docs__opened_and_tried__break_no_policy_and_show_every_address(reader: Reader) -> None:
    reader.sign_in()
    response = reader.open("/docs")
    page = reader.page
    described: dict[str, Any] = reader.context.request.get(f"{reader.site.url}/api/v1/schema").json()
    operations = sum(len(methods) for methods in described["paths"].values())
    page.wait_for_function(f"document.querySelectorAll('.opblock').length === {operations}", timeout=30_000)
    assert "unsafe" not in response.headers["content-security-policy"]

    block = page.locator("#operations-config-config_cache_refresh_create")
    block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").click()
    block.locator(".execute").click()
    block.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
    reader.check()
