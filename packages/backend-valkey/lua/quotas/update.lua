--- Changes a quota at its home; what is not stated is -1, or ''. Its copies are to follow: it is noted that they may be old.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args id: string, namespace: string, stated: string[], settings: [version: int, ns: string, created: int, content: string, label: string, units: int, window: int, concurrency: int, strategy: string, past: string], laterMs: int
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  local settings = quotas.settings(u, a[1])
  if not settings or settings[Q.ns] ~= a[2] then return {} end
  local new, window = a[4], quotas.window(settings)
  for _, field in ipairs(a[3]) do
    if field == 'label' then settings[Q.label] = new[Q.label]
    elseif field == 'rate' then settings[Q.units], settings[Q.window] = new[Q.units], new[Q.window]
    elseif field == 'concurrency' then settings[Q.concurrency] = new[Q.concurrency]
    elseif field == 'strategy' then settings[Q.strategy] = new[Q.strategy] end
  end
  settings[Q.version] = settings[Q.version] + 1
  if quotas.window(settings) ~= window then quotas.note_window(u, settings, window) end
  quotas.put_settings(u, a[1], settings)
  flush.staged(u).add(u.key.idx .. 'quotas_to_sync', u.now + a[5], a[1])
  resources.flush(u)
  return settings
end
