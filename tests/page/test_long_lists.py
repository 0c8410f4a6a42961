"""Lists of 100,000 rows: pages by keyset, each as fast as the first, and a page that stays smooth."""

import statistics
import time

import pytest

from app import Service
from page.conftest import Visitor

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("page"),
    pytest.mark.faults,
]
ROWS, PAGES = 100_000, 40
MAKE = """
WITH made AS (
    INSERT INTO users (uuid, account_uuid, name, password_hash, create_date)
    SELECT replace(gen_random_uuid()::text, '-', ''), $1, 'bulk-' || n, '', now() - n * interval '1 min'
    FROM generate_series(1, $2::int) n
    RETURNING uuid)
INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) SELECT uuid, 'UserVO', $1 FROM made
"""
FRAMES = """() => {
  window.longest = 0;
  let last = performance.now();
  const frame = (now) => {
    window.longest = Math.max(window.longest, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


async def test_pages_of_100_000_rows(service: Service, visitor: Visitor) -> None:
    account, _ = await service.account("large")
    await service.db.execute("UPDATE quotas SET value = 9223372036854775807 WHERE name = 'text.size'")
    await service.db.execute(MAKE, account["uuid"], ROWS)
    await service.db.execute("ANALYZE users, resource_owners, resources")
    async with visitor() as visit:
        page = visit.page
        await visit.log_in("large", "secret")
        await visit.go("identity/users")
        await page.wait_for_selector('[data-page="1"][aria-busy=false]')
        await visit.evaluate(FRAMES)
        seen: set[str] = set()
        times: list[float] = []
        for number in range(1, PAGES + 1):
            rows = await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.row)")
            assert rows
            assert not seen & set(rows)
            seen |= set(rows)
            before = time.perf_counter()
            await page.click('button:text-is("Next")')
            await page.wait_for_selector(f'[data-page="{number + 1}"][aria-busy=false]')
            times.append(1000 * (time.perf_counter() - before))
        first, last = statistics.median(times[:10]), statistics.median(times[-10:])
        longest = await visit.evaluate("window.longest")
        nodes = await visit.evaluate("document.querySelectorAll('*').length")
    print(
        f"\n{ROWS:,} rows, {len(seen)} seen on {PAGES} pages: {first:.0f} ms for one of the first ten pages,"
    )
    print(f"{last:.0f} ms for one of the last; longest frame {longest:.0f} ms, {nodes} elements")
