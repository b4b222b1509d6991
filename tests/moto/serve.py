"""A simulated AWS with a few machines and tasks, for tests of discovery.

Needs moto[server]. Prints the URL once everything is there, then serves until the standard input ends.
"""

import sys

try:
    import boto3
    from moto.server import ThreadedMotoServer
except ImportError as error:
    print(f"skip: {error}")
    sys.exit(0)

REGION = "eu-west-1"


def client(service, url):
    return boto3.client(
        service, region_name=REGION, endpoint_url=url, aws_access_key_id="A", aws_secret_access_key="S"
    )


def machines(url):
    ec2 = client("ec2", url)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "a"}]}]
    return ec2.run_instances(ImageId=image, MinCount=3, MaxCount=3, InstanceType="m5.large", TagSpecifications=tags)


def tasks(url):
    ec2, ecs = client("ec2", url), client("ecs", url)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ecs.create_cluster(clusterName="c1", tags=[{"key": "k", "value": "cluster"}])
    ecs.register_task_definition(
        family="f",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "main", "image": "x", "memory": 128}],
    )
    ecs.run_task(
        cluster="c1",
        taskDefinition="f",
        count=2,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}},
        tags=[{"key": "k", "value": "task"}],
    )


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for fill in (machines, tasks):
        fill(url)
    print(url, flush=True)
    sys.stdin.read()
    server.stop()


main()
