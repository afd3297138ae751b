local testing = require "anzol.testing"

local URL = "https://api.example/tickets*"

describe("polling tickets", function()
  local t
  before_each(function()
    t = testing.new { now = "2026-03-02T08:00:00Z", secrets = testing.any_secret }
  end)
  after_each(function() t:close() end)

  local function ticket(id, at, state)
    return { id = id, updated_at = ("2026-03-02T%s:00Z"):format(at), state = state or "open" }
  end
  local function page(...) return { headers = { etag = '"v1"' }, json = { items = { ... } } } end

  it("makes a signed webhook of each ticket that changed", function()
    t:http(URL, page(ticket(1, "07:00"), ticket(2, "07:30", "closed")))
    assert.equal(2, t:poll("tickets").items)
    assert.equal("ticket.open", t.events[1].type)
    assert.equal("ticket.closed", t.events[2].type)
    assert.equal(2, t:delivery("crm").request.json.id)
    assert.truthy(t:delivery("crm").request.headers["webhook-signature"])
  end)

  it("asks from where it was, for whatever is there: what an answer was called is of its URL alone", function()
    t:http(URL, page(ticket(1, "07:00")))
    t:poll "tickets"
    t:http(URL, function(request)
      assert.matches("since=2026%-03%-02T07%%3A00%%3A00Z", request.url)
      if request.headers["if-none-match"] == '"v1"' then return 304 end -- the source counts its versions
      return page(ticket(2, "07:30"))
    end)
    assert.equal(1, t:poll("tickets").items)
    assert.equal(2, #t.events)
  end)

  it("asks only for what is new", function()
    t:http(URL, page())
    t:poll "tickets"
    t:http(URL, function(request)
      assert.equal('"v1"', request.headers["if-none-match"])
      return 304
    end)
    assert.equal(0, t:poll("tickets").items)
  end)

  it("makes a ticket's change once, though the server ends before the commit", function()
    t:http(URL, page(ticket(1, "07:00")))
    t:crash_before_commit()
    t:poll "tickets"
    t:poll "tickets"
    assert.equal(1, #t.events)
    assert.equal(1, #t.deliveries)
  end)

  it("asks more often while there is news", function()
    t:http(URL, page())
    local quiet_ms = t:poll("tickets").wait_ms
    for _ = 1, 15 do quiet_ms = t:poll("tickets").wait_ms end
    assert.equal(600000, quiet_ms)
    t:http(URL, page(ticket(1, "07:00")))
    assert.equal(150000, t:poll("tickets").wait_ms)
  end)

  it("waits as long as a source that is busy says", function()
    t:http(URL, { status = 429, headers = { ["retry-after"] = "1800" } })
    local result = t:poll "tickets"
    assert.equal("retry_after", result.why)
    assert.equal(t.now_ms + 1800000, result.next_ms)
    t:http(URL, page())
    t:advance "30m"
    assert.is_nil(t:poll("tickets").error)
  end)
end)
