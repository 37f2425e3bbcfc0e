# An application and its replication in one container: the database is restored if there is none, the program starts, and replication ends
# after it. Build it in the folder of an application whose package.json has litestream-ts, with app.litestream.yml beside it
# and `node_modules` in .dockerignore:
#   docker build -f app.Dockerfile -t app .
#   docker run --stop-timeout 45 -e AWS_ACCESS_KEY_ID=… -e AWS_SECRET_ACCESS_KEY=… -e REPLICA_URL=s3://bucket/app.db app
FROM node:24-bookworm-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .
RUN mkdir /data && chown node:node /data
USER node
EXPOSE 3000 9090
CMD ["node_modules/.bin/litestream-ts", "replicate", "-config", "app.litestream.yml", "-exec", "node server.js"]
