-- SPDX-License-Identifier: MIT
-- JSON both ways: what comes in goes out (core/script/json_decode.c, json_encode.c).
local rig = require "core.script_rig"
local script = rig.script

describe("JSON", function()
  local project

  setup(function()
    script.quiet(true)
    project = rig.project [[
      anzol.endpoint("out", { url = "https://out.example", sign = false })
      anzol.on("**", { name = "echo" }, function(event) event:send("out", { json = event.data }) end)
      anzol.on("**", { name = "lossy" }, function(event)
        event:send("out", { json = { event.lossy, event.data } })
        event:send("out", { body = event.body })
      end)
      anzol.on("**", { name = "decode" }, function(event)
        local value, err = anzol.json.decode(event.body)
        if value == nil then error(tostring(err), 0) end
        event:send("out", { json = value })
      end)
      local cases = {
        nan = function() return { a = { 0 / 0 } } end,
        inf = function() return { x = { y = -1 / 0 } } end,
        fn = function() return { a = { { b = print } } } end,
        thread = function() return coroutine.create(print) end,
        secret = function() return { 1, anzol.skip() } end,
        sparse = function() return { list = { [1] = 1, [3] = 3 } } end,
        mixed = function() return { 1, 2, a = 3 } end,
        key = function() return { [true] = 1 } end,
        real_key = function() return { [1.5] = 1 } end,
        holes = function() return anzol.json.array { nil, 2 } end,
        deep = function() local t = {} for i = 1, 128 do t = { t } end return t end,
        deep_enough = function() local t = {} for i = 1, 127 do t = { t } end return t end,
        cycle = function() local t = {} t.me = { t } return t end,
        array_key = function() return anzol.json.object { [1] = "one" } end,
        table_key = function() return { { [{}] = 1 } } end,
        sorted_key = function()
          return anzol.json.encode({ a = { b = 1, [2] = 2 } }, { sort = true }) end,
        sorted_object = function()
          return anzol.json.encode(anzol.json.object { "one" }, { sort = true }) end,
        large = function()
          local megabyte, list = ("x"):rep(1 << 20), {}
          for i = 1, 16 do list[i] = megabyte end
          return list
        end,
        indent = function() return anzol.json.encode({}, { indent = 9 }) end,
        indent_below = function() return anzol.json.encode({}, { indent = -1 }) end,
        indent_default = function() return anzol.json.encode({ { a = 1 } }, { indent = true }) end,
        indent_none = function() return anzol.json.encode({ { a = 1 } }, { indent = false, sort = false }) end,
        indent_most = function() return anzol.json.encode({ { a = 1 } }, { indent = 8 }) end,
        reals = function() return { 0.1, 1.0, 1e100, -0.0, 1 / 3, 5e-324, 123456789012345680.0, 2^53 } end,
        integers = function() return { math.maxinteger, math.mininteger, 0, -1 } end,
        empty = function() return { {}, anzol.json.array(), anzol.json.object(), anzol.json.array {} } end,
        marked = function() return { anzol.json.array { 1 }, anzol.json.object { a = 1 } } end,
        null = function() return { anzol.json.null, a = nil } end,
        bytes = function() return "\0\31\127\"\\/\xff\xc3\xa4\u{1F600}" end,
        bools = function() return { true, false } end,
      }
      anzol.on("**", { name = "encode" }, function(event)
        event:send("out", { json = cases[event.data]() }) end)
      anzol.on("**", { name = "style" }, function(event)
        local value = { b = { 1, {} }, a = { y = true, x = "s" } }
        event:send("out", { body = anzol.json.encode(value, { sort = true }) .. "\n"
          .. anzol.json.encode(value, { sort = true, indent = 2 }) })
      end)
      anzol.on("**", { name = "index" }, function(event) return event.data.customer.name end)
      anzol.on("**", { name = "is" }, function(event)
        assert(anzol.json.is_null(event.data) and not anzol.json.is_null(false))
        assert(event.data == anzol.json.null and tostring(event.data) == "null")
        assert(event.data, "a null counts as true")
      end)
      anzol.on("**", { name = "get" }, function(event)
        event:send("out", { json = { event:get("a", "no a"), event:get("a.b", "no b"),
          event:get("a.b.c", "no c"), tostring(event:get "a"), event:get("list.1", "no first") } })
      end)
    ]]
  end)
  teardown(rig.finish)

  local function echo(text)
    local result = project:run("echo", { body = text })
    if result.outcome ~= "handled" then return nil, result.text end
    return result.messages[1].body
  end

  for _, text in ipairs { "1", "-1", "9223372036854775807", "-9223372036854775808", "1.0", "0.1", "-0.0",
    "1e+100", "1e-07", "0.30000000000000004", "5e-324", "1.7976931348623157e+308", "true", "false", "null",
    '""', '"x"', "[]", "{}", "[[]]", "[{}]", '{"a":[]}', '{"a":{}}', "[null]", '{"a":null}', "[1,2.5,\"x\"]",
    '{"a":[1,{"b":[]}]}', '"ä€😀"', '"\\u0000"', '"\\"\\\\\\n\\t\\r"' } do
    it("comes back as it went in: " .. text, function() assert.equal(text, (echo(text))) end)
  end

  for text, expected in pairs {
    [" [ 1 , 2 ]\r\n"] = "[1,2]",
    ["-0"] = "0",
    ["1E2"] = "100.0",
    ["10.50"] = "10.5",
    ['"\\u00e4\\uD83D\\uDE00\\/\\b\\f"'] = '"ä😀/\\u0008\\u000c"',
    ['{"a":1,"a":2}'] = '{"a":2}',
    ['{"":1}'] = '{"":1}',
    ['{"\\u0000":1}'] = '{"\\u0000":1}',
    ['{"a\\u0000b":[{"\\u0000\\u0000":null}]}'] = '{"a\\u0000b":[{"\\u0000\\u0000":null}]}',
    ["9223372036854775808"] = '"9223372036854775808"',
    ["-9223372036854775809"] = '"-9223372036854775809"',
    ["[12345678901234567890123456789012345678901234567890123456789012345678901234567890]"] =
      '["12345678901234567890123456789012345678901234567890123456789012345678901234567890"]',
    ["1e999"] = '"1e999"',
    ["-1e999"] = '"-1e999"',
    ["1e-999"] = "0.0",
    ["0.1000000000000000055511151231257827021181583404541015625000000000000000000000000"] = "0.1",
  } do
    it("is read as it is meant: " .. text:sub(1, 40), function()
      assert.equal(expected, (echo(text)))
    end)
  end

  for _, text in ipairs { "", " ", "nul", "[1", "[1,]", "[,1]", "{", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}",
    "01", "1.", ".5", "+1", "1e", "--1", "- 1", "'x'", '"x', '"\\x"', '"\\u12"', '"\\ud800"', '"\\ud800\\u0041"',
    '"\\udc00"', '"\n"', '"\xff"', '"\xc0\x80"', '"\xed\xa0\x80"', "1 2", "[1]]", "NaN", "Infinity", "\xef\xbb\xbf1",
    ("["):rep(129) .. ("]"):rep(129), ("["):rep(100000), '{"a":' } do
    it("is refused: " .. ("%q"):format(text:sub(1, 20)), function()
      local result = project:run("decode", { body = text })
      assert.equal("failed", result.outcome)
      assert.matches("^json: no JSON: .+ %(byte %d+%)", result.text)
    end)
  end

  it("may be nested 128 levels", function()
    local text = ("["):rep(128) .. ("]"):rep(128)
    assert.equal(text, (echo(text)))
  end)

  it("says when a number was too big", function()
    local function lossy(text)
      return project:run("lossy", { body = text }).messages[1].body
    end
    assert.equal('[true,{"a":"18446744073709551616"}]', lossy '{"a":18446744073709551616}')
    assert.equal('[true,[-1,"1e999"]]', lossy "[-1,1e999]")
    assert.equal('[true,["-1e999"]]', lossy "[-1e999]")
    assert.equal('[false,{"a":18446744073709551}]', lossy '{"a":18446744073709551}')
  end)

  it("leaves the body as it came, whatever its numbers", function()
    local text = ' { "a" : 18446744073709551616, "b": [ -1e999, 1.50 ] }\n'
    assert.equal(text, project:run("lossy", { body = text }).messages[2].body)
  end)

  it("is read alike by anzol.json.decode: a number that is too big is a string", function()
    local result = project:run("decode", { body = "[18446744073709551616,-1e999,1.0]" })
    assert.equal('["18446744073709551616","-1e999",1.0]', result.messages[1].body)
  end)

  local function encode(case)
    local result = project:run("encode", { body = '"' .. case .. '"' })
    return result.outcome == "handled" and result.messages[1].body or result.text
  end

  for case, expected in pairs {
    nan = "JSON: a%[1%]: NaN is no JSON number",
    inf = "JSON: x%.y: infinity is no JSON number",
    fn = "JSON: a%[1%]%.b: a function is no JSON value",
    thread = "JSON: a thread is no JSON value",
    secret = "JSON: %[2%]: a userdata is no JSON value",
    sparse = "JSON: list: a table with both positions and other keys, or with holes",
    mixed = "JSON: a table with both positions",
    key = "JSON: a key of an object is a string, found true",
    real_key = "JSON: a key of an object is a string, found 1%.5",
    array_key = "JSON: a key of an object is a string, found 1",
    table_key = "JSON: %[1%]: a key of an object is a string, found table",
    sorted_key = "JSON: a: a key of an object is a string, found 2",
    sorted_object = "JSON: a key of an object is a string, found 1",
    large = "JSON: %[16%]: the text would be longer than 16 MiB",
    indent = "option 'indent' of anzol.json.encode must be an integer from 0 to 8, got '9'",
    indent_below = "option 'indent' of anzol.json.encode must be an integer from 0 to 8, got '%-1'",
    holes = "JSON: an array with holes",
    deep = "nested deeper than 128 levels",
    cycle = "nested deeper than 128 levels",
  } do
    it("cannot hold " .. case .. ", and the path is named", function()
      assert.matches("^scripts/main%.lua:%d+: .*" .. expected, encode(case))
    end)
  end

  for case, expected in pairs {
    deep_enough = ("["):rep(127) .. "{}" .. ("]"):rep(127),
    reals = "[0.1,1.0,1e+100,-0.0,0.3333333333333333,5e-324,1.2345678901234568e+17,9007199254740992.0]",
    integers = "[9223372036854775807,-9223372036854775808,0,-1]",
    empty = "[{},[],{},[]]",
    marked = '[[1],{"a":1}]',
    null = "[null]",
    bytes = '"\\u0000\\u001f\127\\"\\\\/\u{FFFD}ä😀"',
    bools = "[true,false]",
    indent_default = [=["[\n  {\n    \"a\": 1\n  }\n]"]=],
    indent_none = [=["[{\"a\":1}]"]=],
    indent_most = [=["[\n        {\n                \"a\": 1\n        }\n]"]=],
  } do
    it("holds " .. case, function() assert.equal(expected, encode(case)) end)
  end

  it("may be sorted and indented", function()
    assert.equal([=[{"a":{"x":"s","y":true},"b":[1,{}]}
{
  "a": {
    "x": "s",
    "y": true
  },
  "b": [
    1,
    {}
  ]
}]=], project:run("style", {}).messages[1].body)
  end)

  it("has a null that names itself", function()
    assert.matches("attempt to index a JSON null value %(field 'customer'%)",
      project:run("index", { body = '{"customer":null}' }).text)
    assert.equal("handled", project:run("is", { body = "null" }).outcome)
  end)

  it("gives the default of event:get for a null, and for what lies behind one", function()
    local function got(text) return project:run("get", { body = text }).messages[1].body end
    assert.equal('["no a","no b","no c","nil","no first"]', got '{"a":null,"list":[null]}')
    assert.equal('[{"b":null},"no b","no c","table","no first"]', (got('{"a":{"b":null}}')
      :gsub("table: 0x%x+", "table")))
    assert.equal('[false,"no b","no c","false",0]', got '{"a":false,"list":[0]}')
  end)

  it("is stable: what was written reads back the same, for random values", function()
    local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
    math.randomseed(seed)
    local function value(depth)
      local kind = math.random(depth > 4 and 5 or 7)
      if kind == 1 then return tostring(math.random(0)) end
      if kind == 2 then
        local real = math.random() * 10.0 ^ math.random(-300, 300)
        return ("%.17g"):format(real)
      end
      if kind == 3 then return ({ "true", "false", "null" })[math.random(3)] end
      if kind <= 5 then
        local parts = {}
        for i = 1, math.random(0, 8) do
          parts[i] = ({ "a", "\\n", "ä", "\\u20ac", "\\\\", "😀", " " })[math.random(7)]
        end
        return '"' .. table.concat(parts) .. '"'
      end
      local items = {}
      for i = 1, math.random(0, 4) do
        items[i] = (kind == 7 and ('"k%d":'):format(i) or "") .. value(depth + 1)
      end
      return (kind == 7 and "{" or "[") .. table.concat(items, ",") .. (kind == 7 and "}" or "]")
    end
    for _ = 1, os.getenv "ANZOL_LONG" == "1" and 20000 or 500 do
      local once = assert(echo("[" .. value(1) .. "]"))
      local sorted = assert(echo(once))
      assert.equal(#once, #sorted, ("seed %d: %s"):format(seed, once))
    end
  end)
end)
