// The values of the AWS SDK that this package uses, in one module: the package ships it, with what it needs of the SDK in it, as
// files of their own that are loaded only for S3 (see scripts/bundle.mjs). The tests run on those, too (package.json names them under
// `imports`, for the condition "shipped"). Types are imported from the SDK itself.
export {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '#aws-sdk'
