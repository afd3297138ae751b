-- SPDX-License-Identifier: MIT
-- F27: ambiguous and malformed requests, for specs of listeners of the real program.

-- For a path that takes a POST with these headers (lines): rows of name, the request's bytes, the allowed
-- statuses.
return function(path, headers)
  local post = ("POST %s HTTP/1.1\r\nHost: localhost\r\n%s"):format(path, headers)
  local function to(other)
    return ("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 2\r\n\r\n{}"):format(other, headers)
  end
  return {
    { "Content-Length with Transfer-Encoding",
      post .. "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
    { "two equal Content-Lengths", post .. "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400 },
    { "two different Content-Lengths",
      post .. "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400 },
    { "a Content-Length that is no number", post .. "Content-Length: +2\r\n\r\n{}", 400 },
    { "an unknown coding", post .. "Transfer-Encoding: gzip\r\n\r\n", 501, 400 },
    { "chunked twice", post .. "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, 501 },
    { "chunks in HTTP/1.0", ("POST %s HTTP/1.0\r\nHost: localhost\r\n%sTransfer-Encoding: chunked\r\n\r\n"
      .. "0\r\n\r\n"):format(path, headers), 400 },
    { "no Host", ("POST %s HTTP/1.1\r\n%sContent-Length: 2\r\n\r\n{}"):format(path, headers), 400 },
    { "two Hosts", post .. "Host: y\r\nContent-Length: 2\r\n\r\n{}", 400 },
    { "a space before the colon", post .. "X-A : b\r\nContent-Length: 2\r\n\r\n{}", 400 },
    { "a control byte in a header", post .. "X-A: a\1b\r\nContent-Length: 2\r\n\r\n{}", 400 },
    { "%00 in the path", to(path .. "%00x"), 400 },
    { "%2f in the path", to((path:gsub("/(%w+)$", "%%2f%1"))), 400 },
    { "dot segments", to((path:gsub("/(%w+)$", "/../%1"))), 400 },
    { "an unknown expectation", post .. "Expect: tea\r\nContent-Length: 2\r\n\r\n", 417 },
    { "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400, 405 },
    { "a lower-case method", (post:gsub("^POST", "post")) .. "Content-Length: 2\r\n\r\n{}", 405, 400, 501 },
    { "a hundred and one headers", post .. ("X-A: b\r\n"):rep(101) .. "Content-Length: 2\r\n\r\n{}",
      431, 400 },
  }
end
