// pm2 start ecosystem.config.cjs
module.exports = {
  apps: [
    { name: 'app', script: 'server.js' },
    {
      name: 'litestream-ts',
      script: 'node_modules/.bin/litestream-ts',
      args: ['replicate', '-config', 'litestream.yml'],
      // A second instance would be a second primary.
      instances: 1,
      exec_mode: 'fork',
      // Longer than shutdown-sync-timeout (30s), so that the last commits reach the replica. Milliseconds.
      kill_timeout: 45_000,
    },
  ],
}
