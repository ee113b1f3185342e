--- Takes slots and units of a key for executions of one line, in their order, up to the first that it has no room for. That one's
-- line is registered as a waiter in this step. A quota that drops what is new refuses each for itself. `flags` is a letter for each:
-- t taken, d to be dropped, r refused, o refused where the oldest holder may be asked to go (see `quotas/ask`), and - not looked at. `ids` are UUIDs, one behind the other; see `bundles` for `origin`.
-- @brings nothing
-- @args id: string, key: string, waiter: string, token: string, origin: string, ids: string, items: [number: int, cost: int, begins: boolean][]
-- @reply [word: string, flags: string]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local settings = quotas.settings(u, a[1])
  if not settings then return { 'unknown', '' } end
  local flags, name = {}, resources.of_quota(a[1], a[2])
  bundles.require_origin(a[5])
  local taken = quotas.take_together(u, a[1], a[2], settings, a[5], a[6], a[7])
  for place, item in ipairs(a[7]) do
    if place <= taken then
      flags[place] = 't'
    elseif flags.is_over then
      flags[place] = '-'
    else
      local holder = bundles.holder(a[5], string.sub(a[6], 36 * place - 35, 36 * place), item[1])
      local short = quotas.take(u, a[1], a[2], settings, holder, item[2], item[3])
      if not short then flags[place] = 't'
      elseif settings[Q.strategy] == 'drop_new' then flags[place] = 'd'
      else
        flags[place], flags.is_over = short == 'c' and settings[Q.strategy] == 'cancel_oldest' and 'o' or 'r', true
        local count = quotas.count(u, a[1], a[2])
        local at = short == 'r' and room.retry_at(settings[Q.units], settings[Q.window], count[2], item[2], u.now) or 0
        resources.wait(u, name, a[3], { a[4], item[3], item[2], at })
      end
    end
  end
  resources.flush(u)
  return { settings[Q.ns], table.concat(flags) }
end
