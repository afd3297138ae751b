-- SPDX-License-Identifier: MIT
-- Reloads that add, rename, change and remove what runs by itself, between its runs and while one is
-- under way: a run that began ends once, with what it asked for; what is gone does not run again.
local Receiver = require "support.receiver"
local S = require "anzol_test.store"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local WITHIN_MS = 10000
local HEAD = 'local anzol = require "anzol"\nlocal notes = anzol.kv "notes"\nlocal owner = anzol.cache "owner"\n'

describe("a reload", function()
  local server, source

  after_each(function()
    server:close()
    if source then source:stop() end
    source = nil
  end)

  local function start(script)
    server = Server.start { scripts = { ["main.lua"] = HEAD .. script } }
  end
  local function reload(script)
    server:write_script("main.lua", HEAD .. script)
    local answer = cli.ask(server, { "reload" })
    assert.equal(0, answer.code, answer.errors)
  end
  local function sql(text) return S.sql(server.state_dir .. "/anzol.db", text) end
  local function note(key)
    local row = sql(("SELECT value FROM kv WHERE ns = 'notes' AND key = '%s'"):format(key))[1]
    return row and json.decode(row[1])
  end
  local function await_note(key, least)
    return wait.until_true(("%s is %d"):format(key, least), WITHIN_MS, function()
      local value = note(key)
      return value and value >= least and value
    end)
  end
  -- A function that takes a while, notices if another of its name runs meanwhile (one that was
  -- cancelled does not), and counts who began and who ended.
  local function slow(name)
    return ([[function(it)
      local own = anzol.random()
      anzol.metric.counter("began", { name = "%s" }):inc()
      for step = 1, 20 do
        if step > 1 and owner:get "%s" ~= own then notes:set("overlap", true) end
        owner:set("%s", own)
        anzol.sleep "20ms"
      end
      notes:incr("ended-%s", 1)
      it:emit("slow.ended", { name = it.name })
    end]]):format(name, name, name, name)
  end
  local function began(name)
    local text = assert(require "support.http".request { port = server.admin_port, method = "GET",
      path = "/metrics", headers = { Authorization = "Bearer " .. Server.token } }).body
    return tonumber(text:match('anzol_user_began{name="' .. name .. '"} (%d+)') or 0)
  end
  -- A run of it is under way: it begins one.
  local function await_begin(name)
    local before = began(name)
    wait.until_true("a run of " .. name .. " begins", WITHIN_MS, function() return began(name) > before end)
  end
  local KINDS = {
    cron = 'anzol.cron("%s", { schedule = "* * * * * *" }, %s)\n',
    every = 'anzol.every("%s", "100ms", %s)\n',
    poll = 'anzol.poll("%s", { interval = "100ms" }, %s)\n',
    long = 'anzol.poll("%s", { long = true }, %s)\n',
  }
  local function row_of(kind, name)
    local path = (kind == "poll" or kind == "long") and "/api/v1/poll" or "/api/v1/cron"
    for _, row in ipairs(server:get(path).data) do
      if row.name == name then return row end
    end
  end

  for kind, form in pairs(KINDS) do
    it(("that removes a %s while it runs lets the run end, and no other begin"):format(kind), function()
      start(form:format("it", slow "it"))
      await_begin "it"
      local ended = note "ended-it" or 0
      reload 'anzol.every("other", "100ms", function() notes:incr("other", 1) end)'
      if kind ~= "long" then await_note("ended-it", ended + 1) end -- that one nobody waits for
      await_note("other", (note "other" or 0) + 8)
      local last = note "ended-it" or 0
      assert.is_true(last <= ended + 1, last)
      assert.is_false(row_of(kind, "it").isRegistered)
      assert.equal(last, sql("SELECT count(*) FROM event WHERE type = 'slow.ended'")[1][1])
      assert.matches("it .*the scripts no longer have it",
        cli.ask(server, { (kind == "poll" or kind == "long") and "polls" or "crons" }).output)
    end)

    it(("that renames a %s while it runs lets the run end once, and the new one begin"):format(kind), function()
      start(form:format("old", slow "old"))
      await_begin "old"
      local ended = note "ended-old" or 0
      reload(form:format("new", slow "new"))
      await_note("ended-new", 2)
      assert.is_true((note "ended-old" or 0) <= ended + 1)
      assert.is_true(row_of(kind, "new").isRegistered)
      assert.is_false(row_of(kind, "old").isRegistered)
      assert.is_nil(note "overlap")
    end)

    it(("that brings a %s back while its old run goes on has one at a time"):format(kind), function()
      local text = form:format("it", slow "it")
      start(text)
      for _ = 1, 3 do
        await_begin "it"
        reload ""
        reload(text)
      end
      await_note("ended-it", (note "ended-it" or 0) + 2)
      assert.is_nil(note "overlap")
      assert.is_true(row_of(kind, "it").isRegistered)
    end)
  end

  it("that changes an interval while a run goes on counts by the new one from then on", function()
    start(('anzol.every("it", "1h", %s)\n'):format(slow "it"))
    wait.until_true("it has a place", WITHIN_MS, function() return row_of("every", "it") end)
    reload(('anzol.every("it", "200ms", %s)\n'):format(slow "it"))
    await_begin "it"
    local ended = note "ended-it" or 0
    reload(('anzol.every("it", "2h", %s)\n'):format(slow "it"))
    await_note("ended-it", ended + 1)
    wait.until_true("it waits for two hours", WITHIN_MS, function() return row_of("every", "it").rule == "2h" end)
    local due_ms = sql("SELECT due_ms FROM routine WHERE name = 'it'")[1][1]
    assert.is_true(due_ms > os.time() * 1000 + 7000000, due_ms)
    assert.equal(ended + 1, note "ended-it")
  end)

  it("that makes a poll an every of the same name keeps them apart", function()
    start('anzol.poll("it", { interval = "100ms" }, function() notes:incr("poll", 1) return 0 end)')
    await_note("poll", 2)
    reload('anzol.every("it", "100ms", function() notes:incr("every", 1) end)')
    await_note("every", 3)
    local polls = note "poll"
    await_note("every", note "every" + 3)
    assert.equal(polls, note "poll")
    assert.is_false(row_of("poll", "it").isRegistered)
    assert.is_true(row_of("every", "it").isRegistered)
  end)

  describe("of a stream", function()
    local function stream(text)
      return { raw = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" .. text }
    end
    local function script(name, path, wait_text)
      return ([[anzol.sse("%s", { url = "%s", allow_private = true }, function(message)
        %s message:emit("s.message", { id = message.id })
      end)]]):format(name, source:url(path), wait_text or "")
    end
    local function ids()
      local list = {}
      for i, row in ipairs(sql("SELECT body FROM event JOIN content USING(id) "
        .. "WHERE type = 's.message' ORDER BY event.id")) do
        list[i] = json.decode(row[1]).id
      end
      return list
    end
    local function await_ids(expected)
      wait.until_true("ids " .. table.concat(expected, " "), WITHIN_MS, function()
        return table.concat(ids(), " ") == table.concat(expected, " ")
      end)
    end
    local function asked(path)
      for _, record in ipairs(source:take()) do
        if record.path == path then return record.headers["last-event-id"] or "none" end
      end
    end
    local NEVER = { delay_ms = 600000 }

    before_each(function() source = Receiver.start() end)

    it("goes on behind its last message when its url is another", function()
      source:answer("/a", stream "retry: 50\nid: 1\ndata: a\n\n", NEVER)
      source:answer("/b", stream "id: 2\ndata: b\n\n", NEVER)
      start(script("s", "/a"))
      await_ids { "1" }
      reload(script("s", "/b"))
      await_ids { "1", "2" }
      assert.equal("1", asked "/b")
    end)

    it("lets the message that is under way commit, and goes on behind it; a new name begins anew", function()
      source:answer("/a", stream "retry: 50\nid: 1\ndata: a\n\nid: 2\ndata: b\n\n", NEVER)
      source:answer("/b", stream "retry: 50\nid: 7\ndata: c\n\n", NEVER)
      start(script("s", "/a", 'anzol.metric.counter("began", { name = "s" }):inc() anzol.sleep "300ms"'))
      await_begin "s"
      reload(script("t", "/b"))
      wait.until_true("the new one has its message", WITHIN_MS, function()
        local list = ids()
        return list[#list] == "7" or list[1] == "7"
      end)
      assert.equal("none", asked "/b")
      process.sleep_ms(500)
      assert.is_true(#ids() <= 2, table.concat(ids(), " ")) -- of the old one the first, at most
      assert.is_false(row_of("poll", "s").isRegistered)
      source:answer("/a", stream "id: 2\ndata: b\n\n", NEVER)
      reload(script("s", "/a"))
      wait.until_true("it goes on where it was", WITHIN_MS, function()
        for _, id in ipairs(ids()) do
          if id == "2" then return true end
        end
      end)
    end)
  end)
end)
