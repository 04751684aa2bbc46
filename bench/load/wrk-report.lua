-- wrk's own summary as JSON, and a request body when a size is given. Arguments: METHOD BYTES
done = function(summary, latency, requests)
  io.write(string.format(
    "REPORT {\"requests\":%d,\"micros\":%d,\"bytes\":%d,\"connect\":%d,\"read\":%d,\"write\":%d,\"status\":%d,\"timeout\":%d}\n",
    summary.requests, summary.duration, summary.bytes,
    summary.errors.connect, summary.errors.read, summary.errors.write, summary.errors.status, summary.errors.timeout))
end

init = function(args)
  wrk.method = args[1] or "GET"
  local size = tonumber(args[2] or "0")
  if size > 0 then
    wrk.body = string.rep("a", size)
    wrk.headers["content-type"] = "application/octet-stream"
  end
  prepared = wrk.format()
end

request = function() return prepared end
