local testing = require "anzol.testing"

describe("tickets", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function happen(kind, data)
    t:receive("tickets", { sign = true, json = { type = kind, data = data } })
  end
  local function sent(endpoint)
    local list = {}
    for _, delivery in ipairs(t.deliveries) do
      if delivery.endpoint == endpoint then list[#list + 1] = delivery.request.json end
    end
    return list
  end

  it("send the comments of five minutes as one mail a ticket", function()
    happen("commented", { ticket = "T-1", author = "ana", text = "It broke." })
    t:advance "4m"
    happen("commented", { ticket = "T-2", author = "bo", text = "Mine too." })
    happen("commented", { ticket = "T-1", author = "ana", text = "It works again." })
    assert.same({}, sent "mail")
    t:advance "1m"
    assert.same({ { ticket = "T-1", comments = { { by = "ana", text = "It broke." },
      { by = "ana", text = "It works again." } } } }, sent "mail")
    t:advance "4m"
    assert.equal("T-2", sent("mail")[2].ticket)
  end)

  it("send fifty comments without waiting longer", function()
    for i = 1, 51 do happen("commented", { ticket = "T-1", author = "bot", text = "ping " .. i }) end
    assert.equal(50, #sent("mail")[1].comments)
    t:advance "5m"
    assert.equal("ping 51", sent("mail")[2].comments[1].text)
  end)

  it("lose no comment and send none twice when the server ends before the commit", function()
    happen("commented", { ticket = "T-1", author = "ana", text = "one" })
    happen("commented", { ticket = "T-1", author = "ana", text = "two" })
    t:crash_before_commit()
    t:advance "5m"
    assert.equal(1, #sent "mail")
    assert.equal(2, #sent("mail")[1].comments)
  end)

  it("build the index when it is quiet", function()
    for i = 1, 3 do
      happen("edited", { ticket = "T-" .. i % 2 })
      t:advance "20s"
    end
    assert.same({}, sent "search")
    t:advance "10s"
    assert.same({ { tickets = { "T-1", "T-0" } } }, sent "search")
  end)

  it("build the index after ten minutes if it never gets quiet", function()
    for _ = 1, 31 do
      happen("edited", { ticket = "T-1" })
      t:advance "20s"
    end
    assert.equal(1, #sent "search")
  end)

  it("tell the board the newest count of each queue", function()
    for open = 1, 3 do happen("counted", { queue = "support", open = open }) end
    happen("counted", { queue = "sales", open = 7 })
    t:advance "1m"
    local counts = {}
    for _, count in ipairs(sent "board") do counts[count.queue] = count.open end
    assert.same({ support = 3, sales = 7 }, counts)
    assert.equal("a newer event of its batch came", t.events[1].skipped)
  end)
end)
