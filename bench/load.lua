-- One request after the other from a file, in turn; with POOL, each takes a refresh token and gives back what
-- came in its place.
local requests, at, pool, free = {}, 0, nil, {}

function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] = (line:gsub("\\r\\n", "\r\n"))
  end
  if not args[2] then
    -- What nobody looks at need not be taken apart.
    response = nil
  else
    pool = true
    for line in io.lines(args[2]) do
      free[#free + 1] = line
    end
  end
end

function request()
  at = at % #requests + 1
  if not pool then
    return requests[at]
  end
  local token = table.remove(free)
  if not token then
    error("there are fewer refresh tokens than connections")
  end
  local body = "grant_type=refresh_token&client_id=rotates&refresh_token=" .. token
  return requests[1] .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

local bad, first = 0, nil
function response(status, headers, body)
  local wanted = tonumber(os.getenv("WANTED") or "200")
  if status ~= wanted then
    bad = bad + 1
    if bad == 1 then
      io.stderr:write("answered " .. status .. ": " .. body .. "\n")
    end
  end
  if pool then
    local token = body:match('"refresh_token":"([^"]+)"')
    if token then
      table.insert(free, 1, token)
    end
  end
end

function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %.1f %.1f %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
